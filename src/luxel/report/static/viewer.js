// One picture large: the map over it under a slider, the read-out, histograms, verdict, rating.

const viewer = find("viewer");
const stage = find("stage");
const opened = { place: -1, picture: null, map: null, colours: null, strength: 0, spot: null };

function openViewer(place) {
  if (!viewer.open) viewer.showModal();
  stage.focus();
  showPicture(place);
}

async function showPicture(place) {
  const picture = order[place];
  Object.assign(opened, { place, picture, map: null, colours: null });
  delete viewer.dataset.shown;
  view.current = place;
  find("viewer-name").textContent = picture.path;
  find("position").textContent = `${place + 1} of ${order.length}`;
  find("previous").disabled = place === 0;
  find("next").disabled = place === order.length - 1;
  find("frame").hidden = Boolean(picture.error);
  find("reason").hidden = !picture.error;
  find("reason").textContent = picture.error ? `Not assessed: ${picture.error}` : "";
  for (const section of viewer.querySelectorAll("aside section")) section.hidden = Boolean(picture.error);
  viewer.querySelector(".blend input").disabled = Boolean(picture.error);
  showFigures(picture);
  showRating();
  hideSpot();
  if (picture.error) {
    viewer.dataset.shown = picture.number;
    return;
  }
  drawLightness(picture);
  drawResidual(picture);
  const [image, map] = await Promise.all([decoded("p", picture.number), mapOf(picture.number)]);
  if (opened.picture !== picture) return; // another picture was opened meanwhile
  for (const id of ["picture", "overlay"])
    Object.assign(find(id), { width: image.naturalWidth, height: image.naturalHeight });
  find("picture").getContext("2d").drawImage(image, 0, 0);
  Object.assign(opened, { map, colours: pixelsOf(image, map.width, map.height) });
  fitFrame();
  drawOverlay();
  viewer.dataset.shown = picture.number;
  for (const neighbour of [place + 1, place - 1])
    if (order[neighbour] && !order[neighbour].error) mapOf(order[neighbour].number);
}

function closeViewer() {
  viewer.close();
}

/** The picture as large as the stage allows, at most twice its embedded size. */
function fitFrame() {
  const canvas = find("picture");
  const style = getComputedStyle(stage);
  const [width, height] = [
    stage.clientWidth - 2 * parseFloat(style.paddingLeft),
    stage.clientHeight - 2 * parseFloat(style.paddingTop),
  ];
  const scale = Math.min(width / canvas.width, height / canvas.height, 2);
  find("frame").style.width = `${Math.floor(canvas.width * scale)}px`;
  find("frame").style.height = `${Math.floor(canvas.height * scale)}px`;
}

function drawOverlay() {
  if (opened.map) paint(find("overlay"), opened.map, opened.strength);
}

function setStrength(share) {
  opened.strength = share;
  find("strength").value = Math.round(100 * share);
  const words = share === 0 ? "picture alone" : share === 1 ? "map alone" : `map ${Math.round(100 * share)} %`;
  find("strength").setAttribute("aria-valuetext", words);
  drawOverlay();
}

function definitions(list, pairs) {
  list.replaceChildren(
    ...pairs.flatMap(([name, value, style]) => [make("dt", {}, name), make("dd", { class: style ?? "" }, value)]),
  );
}

function showFigures(picture) {
  const list = find("figures");
  list.hidden = Boolean(picture.error);
  find("notes").textContent = picture.notes?.length ? `Read as: ${picture.notes.join("; ")}.` : "";
  if (picture.error) return;
  definitions(list, [
    ["Score", text.score(picture.score), "big"],
    ["Overexposed", text.over(picture.over), "over"],
    ["Underexposed", text.under(picture.under), "under"],
    ["Advised compensation", `${text.ev(picture.ev, picture.ev_bound)} EV`],
    ["Size", `${picture.width} × ${picture.height}`],
  ]);
  if (picture.verdict) {
    list.append(
      make("dt", {}, `Verdict by ${report.criteria}`),
      make("dd", {}, text.verdict(picture.verdict)),
      make("dd", { class: "full quiet" }, picture.verdict.text),
      make(
        "dd",
        { class: "full" },
        make("details", {}, make("summary", {}, "Why"), make("pre", {}, picture.verdict.why.join("\n"))),
      ),
    );
  }
}

// Rating ------------------------------------------------------------------------------------------------------------

function showRating() {
  const { rating, flag } = markOf(opened.picture);
  const button = (words, name, pressed, change, key, style = "") =>
    make(
      "button",
      {
        type: "button",
        class: style,
        "aria-pressed": pressed,
        "aria-label": name,
        "aria-keyshortcuts": key,
        onclick: () => rateOpened(change),
      },
      words,
    );
  const focused = find("rating").contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
  find("rating").replaceChildren(
    ...[0, 1, 2, 3, 4, 5].map((n) =>
      button(
        n === 0 ? "0" : n <= (rating ?? 0) ? "★" : "☆",
        n === 1 ? "1 star" : `${n} stars`,
        rating === n,
        { rating: n },
        String(n),
      ),
    ),
    button("Pick", "Pick", flag === "pick", { flag: flag === "pick" ? null : "pick" }, "P", "flag"),
    button("Reject", "Reject", flag === "reject", { flag: flag === "reject" ? null : "reject" }, "X", "flag"),
  );
  if (focused) find("rating").querySelector(`[aria-label="${focused}"]`).focus();
}

function rateOpened(change) {
  mark(opened.picture, change);
  if (find("advance").checked && opened.place < order.length - 1) showPicture(opened.place + 1);
  else showRating();
}

// Read-out ----------------------------------------------------------------------------------------------------------

/** Reads the map at a place of the picture, each coordinate in [0, 1]. */
function readOut(u, v) {
  const { map, colours: rgb } = opened;
  if (!map) return;
  opened.spot = [Math.min(Math.max(u, 0), 1), Math.min(Math.max(v, 0), 1)];
  const [x, y] = [
    Math.min(map.width - 1, Math.floor(opened.spot[0] * map.width)),
    Math.min(map.height - 1, Math.floor(opened.spot[1] * map.height)),
  ];
  const at = y * map.width + x;
  const [red, green, blue] = [0, 1, 2].map((c) => rgb[4 * at + c] / 255);
  const residual = map.residual[at];
  const lightness = 0.299 * red + 0.587 * green + 0.114 * blue;
  const luminance = 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const zone = Math.min(Math.max(5 + Math.log2(Math.max(luminance, 1e-6) / 0.18), 0), 10);
  const ev = compensation(lightness, residual);
  const words = Math.abs(residual) <= report.threshold ? "near ideal" : residual < 0 ? "overexposed" : "underexposed";
  const signedResidual = Math.abs(residual) < 0.005 ? "0.00" : signed(residual, 2);
  definitions(find("readout"), [
    [
      "Residual",
      `${signedResidual} (${words})`,
      residual < -report.threshold ? "over" : residual > report.threshold ? "under" : "",
    ],
    ["Compensation", `${ev} EV`],
    ["Zone", `${ROMAN[Math.round(zone)]} (${zone.toFixed(1)})`],
    ["Lightness", lightness.toFixed(2)],
  ]);
  const [left, top] = opened.spot;
  const tag = find("tag");
  for (const element of [find("crosshair"), tag]) {
    element.hidden = false;
    element.style.left = `${100 * left}%`;
    element.style.top = `${100 * top}%`;
  }
  tag.textContent = `${signedResidual}   ${ev} EV   zone ${ROMAN[Math.round(zone)]}`;
  // Beside the cursor, on the side where there is room.
  tag.style.transform = `translate(${left > 0.6 ? "calc(-100% - 14px)" : "14px"}, ${top > 0.8 ? "calc(-100% - 14px)" : "14px"})`;
}

/** Stops from a lightness to what its residual calls ideal. Clipped light can only be bounded. */
function compensation(lightness, residual) {
  if (Math.abs(residual) < 0.5 * report.map.step) return "0.0";
  const least = linear(0.5 / 255);
  const target = Math.max(linear(Math.min(Math.max(lightness + residual, 0), 1)), least);
  const ev = Math.min(Math.max(Math.log2(target / Math.max(linear(lightness), least)), -6), 6);
  const bound = lightness > 0.995 && ev < 0 ? "≤ " : lightness < 0.005 && ev > 0 ? "≥ " : "";
  return bound + signed(ev, 1);
}

function hideSpot() {
  opened.spot = null;
  find("crosshair").hidden = find("tag").hidden = true;
  definitions(find("readout"), [
    ["Residual", "–"],
    ["Compensation", "–"],
    ["Zone", "–"],
    ["Lightness", "–"],
  ]);
}

function pointAt(event) {
  const box = find("frame").getBoundingClientRect();
  readOut((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
}

// Histograms --------------------------------------------------------------------------------------------------------

function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** Bars of a histogram in per mille, on a square-root scale so that small shares stay visible. */
function chart(counts, description, colour, marks) {
  const [width, height] = [284, 66];
  const most = Math.sqrt(Math.max(...counts));
  const step = width / counts.length;
  const drawing = svg("svg", { viewBox: `0 0 ${width} ${height + 16}`, role: "img", "aria-label": description });
  for (const [share, words] of marks) {
    const x = Math.min(Math.max(share * width, 0.5), width - 0.5);
    drawing.append(svg("line", { x1: x, x2: x, y1: 0, y2: height, stroke: "#4a4a4a" }));
    drawing.append(
      svg("text", { x, y: height + 12, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" }, words),
    );
  }
  counts.forEach((count, i) => {
    const tall = count ? Math.max(1.5, (Math.sqrt(count) / most) * (height - 6)) : 0;
    drawing.append(
      svg("rect", { x: i * step + 0.3, width: step - 0.6, y: height - tall, height: tall, fill: colour(i) }),
    );
  });
  return drawing;
}

function drawLightness(picture) {
  const zones = ROMAN.slice(1, 8).map((roman, i) => [encoded(0.18 * 2 ** (i - 4)), roman]);
  const most = picture.zones.indexOf(Math.max(...picture.zones));
  const words = `Histogram of lightness with zones. Most of the picture, ${percent(picture.zones[most])}, is in zone ${ROMAN[most]}.`;
  find("lightness").replaceChildren(
    chart(picture.lightness, words, () => "#d4d4d4", [[0, "0"], ...zones.filter(([share]) => share > 0.1)]),
    make("p", {}, `Zones; most, ${percent(picture.zones[most])}, in ${ROMAN[most]}`),
  );
}

function drawResidual(picture) {
  const bins = picture.residual.length;
  const colour = (i) => {
    const code = Math.round(((i + 0.5) / bins) * 256);
    return `rgb(${colours[3 * code]} ${colours[3 * code + 1]} ${colours[3 * code + 2]})`;
  };
  const words = `Histogram of the exposure residual: ${percent(picture.over)} overexposed, ${percent(picture.under)} underexposed.`;
  find("residual").replaceChildren(
    chart(picture.residual, words, colour, [
      [0, "over"],
      [0.5, "ideal"],
      [1, "under"],
    ]),
  );
}

function viewerKey(event) {
  const inSlider = event.target.matches("input[type=range]");
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
  if (event.key in steps && !inSlider) {
    event.preventDefault();
    if (event.shiftKey) {
      const [u, v] = opened.spot ?? [0.5, 0.5];
      const [dx, dy] = [
        event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0,
        event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0,
      ];
      if (opened.map)
        readOut(
          u + (opened.spot ? (2 * dx) / opened.map.width : 0),
          v + (opened.spot ? (2 * dy) / opened.map.height : 0),
        );
    } else {
      const place = opened.place + steps[event.key];
      if (order[place]) showPicture(place);
    }
  } else if (event.key.toLowerCase() === "m") {
    setStrength(opened.strength === 0 ? OVERLAY : opened.strength < 1 ? 1 : 0);
  } else {
    const change = changeOfKey(event.key);
    if (change) rateOpened(change);
  }
}
