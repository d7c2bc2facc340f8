// Facts, pictures and maps that the page carries, decoded when they are needed; numbers as text; colours of maps.

const find = (id) => document.getElementById(id);
const report = JSON.parse(find("facts").textContent);
const pictures = report.pictures.map((facts, number) => ({
  ...facts,
  number,
  name: facts.path.slice(facts.path.lastIndexOf("/") + 1),
  search: facts.path.toLowerCase(),
}));
const CODES = 257; // colours of a palette, residual -1 to +1
const OVERLAY = 0.65; // place on the slider, and opacity, of the usual overlay: the same as in `luxel.draw.heatmap.overlay`

/** An element. Text is always set as text, so that no file name can become markup. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") node.className = value;
    else if (key.startsWith("aria-") || key === "role" || key === "scope" || key === "colspan")
      node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** data: address of an embedded picture. kind: "t" thumbnail, "p" preview, "m" map. */
const address = (kind, number) => "data:image/webp;base64," + find(kind + number).textContent;

async function decoded(kind, number) {
  const image = new Image();
  image.src = address(kind, number);
  await image.decode();
  return image;
}

function pixelsOf(image, width = image.naturalWidth, height = image.naturalHeight) {
  const canvas = make("canvas", { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

const kept = new Map(); // number -> promise of a map; the oldest go first
function mapOf(number) {
  let promise = kept.get(number);
  kept.delete(number);
  promise ??= decoded("m", number).then((image) => {
    const [width, height] = [image.naturalWidth, image.naturalHeight];
    const codes = pixelsOf(image);
    const residual = new Float32Array(width * height);
    for (let i = 0; i < residual.length; i++) residual[i] = (codes[4 * i] - report.map.zero) * report.map.step;
    return { width, height, residual };
  });
  kept.set(number, promise);
  if (kept.size > 200) kept.delete(kept.keys().next().value);
  return promise;
}

// What can wait until the page is idle, the newest first: whoever scrolls fast past a thousand pictures sees the ones
// where it stops, not all that lay between.
const waiting = [];
const whenIdle = window.requestIdleCallback ?? ((work) => setTimeout(() => work({ timeRemaining: () => 8 }), 30));
function later(element, work) {
  waiting.push([element, work]);
  if (waiting.length === 1) whenIdle(workSome, { timeout: 400 });
}

function workSome(deadline) {
  do {
    const [element, work] = waiting.pop();
    if (element.isConnected) work();
  } while (waiting.length && deadline.timeRemaining() > 4);
  if (waiting.length) whenIdle(workSome, { timeout: 400 });
}

// Numbers as text ---------------------------------------------------------------------------------------------------

const signed = (value, digits) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(digits);
const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : Math.round(100 * share) + " %");
const text = {
  score: (value) => value.toFixed(2),
  over: percent,
  under: percent,
  ev: (value, bound) =>
    value === null
      ? "-"
      : ({ "at least": "≥ ", "at most": "≤ " }[bound] ?? "") + (Math.abs(value) < 0.05 ? "0.0" : signed(value, 1)),
  verdict: (verdict) => (verdict.score === null ? "–" : String(Math.round(10 * verdict.score) / 10)),
};
const ROMAN = ["0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"];
const linear = (encoded) => (encoded <= 0.04045 ? encoded / 12.92 : ((encoded + 0.055) / 1.055) ** 2.4);
const encoded = (light) => (light <= 0.0031308 ? light * 12.92 : 1.055 * light ** (1 / 2.4) - 0.055);

// Colours -----------------------------------------------------------------------------------------------------------

let colours; // CODES times red, green, blue
let listeners = [];
const whenColoursChange = (listener) => listeners.push(listener);

function usePalette(name) {
  colours = Uint8Array.from(atob(report.palettes[name].colours), (letter) => letter.charCodeAt(0));
  const css = (code) => `rgb(${colours[3 * code]} ${colours[3 * code + 1]} ${colours[3 * code + 2]})`;
  const root = document.documentElement.style;
  // A little inside the ends: at the very end both arms are dark and hard to tell apart on a dark panel.
  root.setProperty("--over", css(80));
  root.setProperty("--under", css(176));
  root.setProperty("--over-text", css(108));
  root.setProperty("--under-text", css(148));
  // From -0.5 to +0.5: beyond, every residual has the end colour.
  const stops = Array.from({ length: 33 }, (_, i) => css(64 + 4 * i));
  for (const ramp of document.querySelectorAll(".ramp")) ramp.style.background = `linear-gradient(to right, ${stops})`;
  listeners.forEach((listener) => listener());
}

/** Red, green, blue, opacity per code for a place on the slider: 0 picture, OVERLAY tinted picture, 1 map alone. */
function tints(strength) {
  const table = new Uint8ClampedArray(4 * CODES);
  const opaque = Math.max(0, (strength - OVERLAY) / (1 - OVERLAY));
  for (let code = 0; code < CODES; code++) {
    const r = (code - 128) / 128;
    // What is within the threshold stays as it is.
    const tint = Math.abs(r) <= report.threshold ? 0 : 1 - Math.exp(-((Math.abs(r) / 0.15) ** 1.5));
    const tinted = Math.min(strength, OVERLAY) * tint;
    // A pale tint would only wash the picture out: tints are at least as strong as that of 0.4.
    const strong = Math.round(128 + 128 * Math.sign(r) * Math.max(Math.abs(r), 0.4));
    for (let c = 0; c < 3; c++)
      table[4 * code + c] = colours[3 * strong + c] * (1 - opaque) + colours[3 * code + c] * opaque;
    table[4 * code + 3] = 255 * (tinted * (1 - opaque) + opaque);
  }
  return table;
}

/** Paints a map over the whole of a canvas; the residual is interpolated, not the colours. */
function paint(canvas, map, strength) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  const table = tints(strength);
  const image = context.createImageData(width, height);
  const words = new Uint32Array(image.data.buffer);
  const tableWords = new Uint32Array(table.buffer);
  if (width === map.width && height === map.height) {
    map.residual.forEach((r, i) => (words[i] = tableWords[Math.round(128 + 128 * r)]));
    context.putImageData(image, 0, 0);
    return;
  }
  const place = (size, low) =>
    Array.from({ length: size }, (_, i) => {
      const at = Math.min(Math.max(((i + 0.5) * low) / size - 0.5, 0), low - 1);
      return [Math.floor(at), Math.min(Math.floor(at) + 1, low - 1), at - Math.floor(at)];
    });
  const across = place(width, map.width);
  const down = place(height, map.height);
  for (let y = 0; y < height; y++) {
    const [top, bottom, share] = down[y];
    for (let x = 0; x < width; x++) {
      const [left, right, part] = across[x];
      const a = map.residual[top * map.width + left],
        b = map.residual[top * map.width + right];
      const c = map.residual[bottom * map.width + left],
        d = map.residual[bottom * map.width + right];
      const r = (a + (b - a) * part) * (1 - share) + (c + (d - c) * part) * share;
      words[y * width + x] = tableWords[Math.round(128 + 128 * r)];
    }
  }
  context.putImageData(image, 0, 0);
}
