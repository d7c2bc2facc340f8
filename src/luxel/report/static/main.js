// Puts everything together: controls, keys, first drawing.

const option = (value, words) => make("option", { value, title: words }, words);

function fillControls() {
  for (const [key, [label]] of Object.entries(SORTS)) find("sort").append(option(key, label));
  for (const [key, [label]] of Object.entries(RATED)) find("rated").append(option(key, label));
  for (const [name, palette] of Object.entries(report.palettes))
    find("palette").append(option(name, palette.description));
  for (const [key, [label, , min, max, step]] of Object.entries(RANGES)) {
    const end = (which, words) =>
      make("input", {
        type: "number",
        id: `${key}-${which}`,
        min,
        max,
        step,
        placeholder: words,
        "aria-label": `${label}, ${which === "low" ? "least" : "most"}`,
      });
    find("ranges").append(make("fieldset", {}, make("legend", {}, label), end("low", "min"), "–", end("high", "max")));
  }
}

function describe() {
  const good = pictures.filter((picture) => !picture.error);
  const scores = good.map((picture) => picture.score).sort((a, b) => a - b);
  const middle =
    scores.length % 2
      ? scores[(scores.length - 1) / 2]
      : (scores[scores.length / 2 - 1] + scores[scores.length / 2]) / 2;
  const parts = [`${pictures.length} picture${pictures.length === 1 ? "" : "s"}`];
  if (scores.length)
    parts.push(`score ${text.score(scores[0])} – ${text.score(scores.at(-1))}, median ${text.score(middle)}`);
  if (good.length < pictures.length) parts.push(`${pictures.length - good.length} not assessed`);
  find("summary").textContent = parts.join(" · ");
  find("folder").textContent = report.folder;
  find("threshold").textContent = `a residual of ${report.threshold}`;
  const day = new Date(report.made);
  find("made").textContent =
    `Made ${day.toLocaleString()} with luxel ${report.luxel}, weights ${report.weights.name} (${report.weights.sha256.slice(0, 12)}).`;
}

/** Remembers the palette beside the ratings; where storage is blocked it lasts as long as the page. */
function choosePalette(name) {
  find("palette").value = name;
  usePalette(name);
  try {
    localStorage.setItem("luxel-palette", name);
  } catch {
    warnIfNotStored();
  }
}

function startPalette() {
  let name = null;
  try {
    name = localStorage.getItem("luxel-palette");
  } catch {
    storable = false;
  }
  const known = Object.keys(report.palettes);
  find("palette").value = known.includes(name) ? name : known[0];
  usePalette(find("palette").value);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || find("help").open) return;
  if (event.target.matches("input[type=search], input[type=number], select, textarea")) return;
  if (event.key === "?") {
    find("help").showModal();
  } else if (viewer.open) {
    viewerKey(event);
  } else if (event.key === "/") {
    find("name").focus();
    event.preventDefault();
  } else if (event.target === document.body || contact.contains(event.target)) {
    // Buttons in the head of the table keep their own keys.
    if (!event.target.closest("thead")) contactKey(event);
  }
}

/**
 * After a click on a control the arrow keys belong to the photographs again; they would move the slider or choose the
 * next button. People who came there by keyboard keep them: their clicks have no detail, and they use no pointer.
 */
function giveArrowsBack(control, focusPhotograph) {
  const later = () => requestAnimationFrame(focusPhotograph);
  control.addEventListener("click", (event) => event.detail > 0 && later());
  // A slider may be let go anywhere, where it gets no click.
  control.addEventListener("pointerdown", () => window.addEventListener("pointerup", later, { once: true }));
}

function connect() {
  const listen = (id, kind, action) => find(id).addEventListener(kind, action);
  document.addEventListener("keydown", onKey);
  for (const input of document.querySelectorAll("[name=layout]"))
    input.addEventListener("change", () => {
      view.layout = input.value;
      contact.scrollTop = 0;
      refresh();
      goTo(view.current, { focus: false });
    });
  for (const input of document.querySelectorAll("[name=show]"))
    input.addEventListener("change", () => {
      view.show = input.value;
      find("sheet-legend").hidden = view.show === "picture";
      lay();
    });
  listen("size", "input", () => {
    view.size = find("size").valueAsNumber;
    lay();
    goTo(view.current, { focus: false });
  });
  listen("palette", "change", () => choosePalette(find("palette").value));
  listen("sort", "change", () => sortBy(find("sort").value, view.descending));
  listen("direction", "click", () => sortBy(view.sort, !view.descending));
  listen("filters", "input", (event) => {
    if (event.target.id !== "sort") refresh();
  });
  listen("filters", "submit", (event) => event.preventDefault());
  listen("filters", "reset", (event) => {
    event.preventDefault(); // the sort order is not a filter and stays
    for (const input of find("filters").querySelectorAll("input")) input.value = "";
    find("rated").value = "all";
    refresh();
  });
  listen("export", "click", exportRatings);
  listen("import", "change", async () => {
    if (find("import").files.length) await importRatings(find("import").files[0]);
    find("import").value = "";
    refresh();
  });
  listen("help-open", "click", () => find("help").showModal());
  listen("contact", "scroll", () => requestAnimationFrame(drawRows));
  listen("contact", "click", (event) => {
    const element = event.target.closest("[data-place]");
    if (!element) return;
    goTo(Number(element.dataset.place));
    openViewer(view.current);
  });
  for (const id of ["layouts", "shows", "size"]) giveArrowsBack(find(id), () => goTo(view.current));
  giveArrowsBack(find("strength"), () => stage.focus());
  listen("close", "click", closeViewer);
  listen("previous", "click", () => showPicture(opened.place - 1));
  listen("next", "click", () => showPicture(opened.place + 1));
  listen("strength", "input", () => setStrength(find("strength").valueAsNumber / 100));
  listen("frame", "pointermove", pointAt);
  listen("frame", "pointerdown", pointAt);
  listen("frame", "pointerleave", hideSpot);
  listen("viewer", "close", () => {
    refresh(opened.picture);
    goTo(view.current);
  });
  window.addEventListener("resize", () => {
    lay();
    if (viewer.open && opened.map) fitFrame();
  });
  window.addEventListener("storage", (event) => {
    if (event.key === STORE) {
      readStore();
      refresh();
      if (viewer.open) showRating();
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (!storable && Object.keys(marks).length) event.preventDefault();
  });
  whenColoursChange(() => {
    lay();
    drawOverlay();
    if (opened.picture && !opened.picture.error) drawResidual(opened.picture);
  });
}

fillControls();
describe();
readStore();
warnIfNotStored();
startPalette();
connect();
refresh();
goTo(0, { focus: false });
document.documentElement.dataset.ready = "yes";
