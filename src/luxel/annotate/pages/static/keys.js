// Keys for actions; a person can change them, and the browser remembers.

const STORED = "luxel-annotate-keys";

export const ACTIONS = {
  undo: ["z", "Undo"],
  redo: ["shift+z", "Redo"],
  less: ["-", "Darker; lower value"],
  more: ["+ =", "Brighter; higher value"],
  left: ["ArrowLeft", "To the segment on the left; cursor left"],
  right: ["ArrowRight", "To the segment on the right; cursor right"],
  up: ["ArrowUp", "To the segment above; cursor up"],
  down: ["ArrowDown", "To the segment below; cursor down"],
  choose: ["Enter", "Choose the segment; one dab of the brush, one fill"],
  none: ["Escape", "Choose nothing"],
  granularity: ["g", "Next size of segments"],
  borders: ["l", "Borders of segments on and off"],
  compare: ["Space", "Before and after, while held"],
  reset: ["x", "Chosen segments as they started"],
  previousFrame: [",", "Darker frame of the bracket"],
  nextFrame: [".", "Brighter frame of the bracket"],
  result: ["/", "Back from the frames to the result"],
  brush: ["b", "Brush"],
  fill: ["f", "Fill segments"],
  smooth: ["s", "Smooth"],
  notJudged: ["n", "Not judged"],
  eraser: ["e", "As it started"],
  mode: ["a", "Set or add"],
  unit: ["u", "Lightness or stops"],
  smaller: ["[", "Smaller brush"],
  larger: ["]", "Larger brush"],
  severe: ["v", "Severe, for lamps and lit signs: -0.9"],
  fromModel: ["o", "Fill with what the model says"],
  fromRules: ["r", "Fill with what the rules say"],
  overlay: ["m", "Map on and off"],
  zoomIn: ["i", "Zoom in"],
  zoomOut: ["k", "Zoom out"],
  fit: ["h", "Whole image"],
  viewBrighter: ["shift+ArrowUp", "Brighter view; the data stays"],
  viewDarker: ["shift+ArrowDown", "Darker view; the data stays"],
  submit: ["ctrl+Enter", "Submit"],
  help: ["?", "Keys"],
};

export function keyOf(event) {
  const name = event.key === " " ? "Space" : event.key;
  const letter = name.length === 1 ? name.toLowerCase() : name;
  const shifted = event.shiftKey && (name.length > 1 || letter !== name || /[a-z]/.test(letter));
  return `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.altKey ? "alt+" : ""}${shifted ? "shift+" : ""}${letter}`;
}

function changed() {
  try {
    return JSON.parse(localStorage.getItem(STORED) ?? "{}");
  } catch {
    return {};
  }
}

export function keysOf(action) {
  return (changed()[action] ?? ACTIONS[action][0]).split(" ");
}

export function actionOf(key) {
  const own = changed();
  for (const action of Object.keys(ACTIONS)) {
    if ((own[action] ?? ACTIONS[action][0]).split(" ").includes(key)) return action;
  }
  return null;
}

// Gives an action another key; returns the action that has this key already, null if it was given.
export function remap(action, key) {
  const holder = actionOf(key);
  if (holder && holder !== action) return holder;
  localStorage.setItem(STORED, JSON.stringify({ ...changed(), [action]: key }));
  return null;
}

export function resetKeys() {
  localStorage.removeItem(STORED);
}
