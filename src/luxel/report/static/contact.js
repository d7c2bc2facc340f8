// The contact sheet: a sheet or table of which only the rows in view exist; keys to move and rate.

const contact = find("contact");
let rows = { height: 0, columns: 1, top: 0 };
let body; // element that holds the rows
const alive = new Map(); // row number -> element

/** Builds the empty sheet or table for the width there is, then the rows in view. */
function lay() {
  alive.clear();
  const width = contact.clientWidth - 32;
  const columns = view.layout === "sheet" ? Math.max(1, Math.floor((width + 12) / (view.size + 12))) : 1;
  const card = (width - 12 * (columns - 1)) / columns;
  // Card: a 4 : 3 well and three lines of text below, four with a verdict.
  rows =
    view.layout === "sheet"
      ? { columns, width: card, height: Math.round(card * 0.75 + (report.criteria ? 110 : 90)), top: 16 }
      : { columns, width, height: 72, top: 0 };
  rows.count = Math.ceil(order.length / columns);
  if (!order.length) {
    body = null;
    const failed = pictures.every((picture) => picture.error);
    contact.replaceChildren(
      make("p", { class: "empty" }, pictures.length && !failed ? "No picture passes these filters." : "No pictures."),
    );
    return;
  }
  if (view.layout === "sheet") {
    body = make("div", {
      class: "sheet",
      role: "grid",
      "aria-label": "Pictures",
      "aria-rowcount": rows.count,
      "aria-colcount": columns,
    });
    body.style.height = `${rows.count * rows.height + 2 * rows.top}px`;
    contact.replaceChildren(body);
  } else {
    body = make("tbody");
    contact.replaceChildren(
      make("table", { "aria-rowcount": rows.count + 1, "aria-label": "Pictures" }, tableHead(), body),
    );
    rows.top = contact.querySelector("thead").offsetHeight;
  }
  drawRows();
}

/** Makes the rows in view and a screen around, and removes the others. */
function drawRows() {
  if (!body) return;
  const [from, height] = [contact.scrollTop - rows.top, contact.clientHeight];
  const first = Math.max(0, Math.floor((from - height / 2) / rows.height));
  const last = Math.min(rows.count - 1, Math.ceil((from + 1.5 * height) / rows.height));
  const focused = contact.contains(document.activeElement) && document.activeElement.closest("[data-row]");
  for (const [row, element] of alive) {
    if ((row < first || row > last) && element !== focused) {
      element.remove();
      alive.delete(row);
    }
  }
  for (let row = first; row <= last; row++) {
    if (!alive.has(row)) alive.set(row, view.layout === "sheet" ? sheetRow(row) : tableRow(order[row], row));
  }
  const sorted = [...alive.keys()].sort((a, b) => a - b);
  if (view.layout === "sheet") {
    sorted.forEach((row, i) => {
      if (body.children[i] !== alive.get(row)) body.insertBefore(alive.get(row), body.children[i] ?? null);
    });
    return;
  }
  // A table's rows cannot be placed freely: empty rows stand for those that are not there.
  const spacer = (count) => {
    const cell = make("td", { colspan: 9 });
    cell.style.height = `${count * rows.height}px`;
    return make("tr", { class: "spacer", "aria-hidden": "true" }, cell);
  };
  body.querySelectorAll(".spacer").forEach((element) => element.remove());
  let before = -1;
  let place = body.firstChild;
  for (const row of [...sorted, rows.count]) {
    if (row > before + 1) body.insertBefore(spacer(row - before - 1), place);
    before = row;
    if (row === rows.count) break;
    if (alive.get(row) === place) place = place.nextSibling;
    else body.insertBefore(alive.get(row), place);
  }
}

function sheetRow(row) {
  const element = make("div", { class: "row", role: "row", "aria-rowindex": row + 1 });
  element.dataset.row = row;
  element.style.top = `${rows.top + row * rows.height}px`;
  element.style.height = `${rows.height - 12}px`;
  order
    .slice(row * rows.columns, (row + 1) * rows.columns)
    .forEach((picture, column) => element.append(card(picture, row * rows.columns + column, column)));
  return element;
}

function card(picture, place, column) {
  const caption = make(
    "div",
    { class: "caption" },
    make("div", { class: "line" }, make("span", { class: "name", title: picture.path }, picture.name)),
  );
  if (!picture.error) {
    caption.append(
      make(
        "div",
        { class: "line" },
        make("span", { class: "score", title: "score, 8 is ideal" }, text.score(picture.score)),
        make(
          "span",
          { class: "quiet", title: "advised exposure compensation" },
          text.ev(picture.ev, picture.ev_bound) + " EV",
        ),
      ),
      make(
        "div",
        { class: "line areas" },
        make("span", { class: "over", title: "overexposed" }, "▲ " + text.over(picture.over)),
        balance(picture),
        make("span", { class: "under", title: "underexposed" }, text.under(picture.under) + " ▼"),
      ),
      ...(picture.verdict
        ? [
            make(
              "div",
              { class: "name quiet", title: picture.verdict.text },
              `${report.criteria}: ${text.verdict(picture.verdict)}`,
            ),
          ]
        : []),
    );
  }
  const element = make(
    "div",
    {
      class: "card",
      role: "gridcell",
      tabIndex: place === view.current ? 0 : -1,
      "aria-colindex": column + 1,
      "aria-label": label(picture),
    },
    well(picture),
    caption,
  );
  element.style.width = `${rows.width}px`;
  element.dataset.place = place;
  dress(element, picture);
  return element;
}

function tableHead() {
  const heads = Object.entries(SORTS).map(([key, [label]]) => {
    const arrow = view.sort === key ? (view.descending ? " ▼" : " ▲") : "";
    const head = make(
      "th",
      { scope: "col" },
      make("button", { type: "button", onclick: () => sortByHead(key) }, label + arrow),
    );
    if (view.sort === key) head.setAttribute("aria-sort", view.descending ? "descending" : "ascending");
    return head;
  });
  heads.splice(5, 0, make("th", { scope: "col" }, make("span", {}, "Size")));
  return make("thead", {}, make("tr", { "aria-rowindex": 1 }, ...heads));
}

function tableRow(picture, place) {
  const cell = (content, style = "") => make("td", { class: style }, content);
  const element = make(
    "tr",
    { "aria-rowindex": place + 2 },
    make(
      "th",
      { scope: "row" },
      make(
        "div",
        {},
        well(picture),
        make(
          "button",
          { type: "button", tabIndex: place === view.current ? 0 : -1, "aria-label": label(picture) },
          picture.path,
        ),
      ),
    ),
  );
  if (picture.error) {
    element.append(make("td", { class: "text", colspan: report.criteria ? 6 : 5 }, picture.error));
  } else {
    element.append(
      cell(make("span", { class: "score" }, text.score(picture.score))),
      cell(text.over(picture.over), "over"),
      cell(text.under(picture.under), "under"),
      cell(text.ev(picture.ev, picture.ev_bound)),
      cell(`${picture.width} × ${picture.height}`, "quiet"),
    );
    if (report.criteria) element.append(make("td", { title: picture.verdict.text }, text.verdict(picture.verdict)));
  }
  element.append(make("td", { class: "stars" }));
  element.dataset.row = place;
  element.dataset.place = place;
  dress(element, picture);
  return element;
}

/** The picture itself, with its map if that is shown. */
function well(picture) {
  const element = make("div", { class: "well" });
  if (picture.error) {
    element.append(
      make("div", { class: "why" }, make("b", {}, "Not assessed"), view.layout === "sheet" ? picture.error : ""),
    );
    return element;
  }
  const image = make("img", { alt: "", decoding: "async", draggable: false });
  element.append(image);
  later(element, async () => {
    image.src = address("t", picture.number);
    if (view.show === "picture") return;
    const map = await mapOf(picture.number);
    if (!element.isConnected) return;
    const canvas = make("canvas", { width: map.width, height: map.height, "aria-hidden": "true" });
    paint(canvas, map, view.show === "map" ? 1 : OVERLAY);
    element.append(canvas);
  });
  return element;
}

/** Over to the left of the middle, under to the right: which way a picture errs, at a glance. */
function balance(picture) {
  const bars = ["over", "under"].map((side) => make("i"));
  bars[0].style.width = `${100 * picture.over}%`;
  bars[1].style.width = `${100 * picture.under}%`;
  return make("div", { class: "balance", "aria-hidden": "true" }, ...bars);
}

function label(picture) {
  if (picture.error) return `${picture.path}: not assessed: ${picture.error}`;
  const { rating, flag } = markOf(picture);
  const verdict = picture.verdict ? `, verdict ${text.verdict(picture.verdict)}` : "";
  const rated = (rating === null ? "" : `, ${rating} stars`) + (flag ? `, ${flagWords[flag]}` : "");
  return `${picture.path}: score ${text.score(picture.score)}, over ${text.over(picture.over)}, under ${text.under(picture.under)}, ${text.ev(picture.ev, picture.ev_bound)} EV${verdict}${rated}`;
}

/** Puts stars, flag and the state of being current on a card or table row. */
function dress(element, picture) {
  const { rating, flag } = markOf(picture);
  element.classList.toggle("rejected", flag === "reject");
  element.classList.toggle("current", Number(element.dataset.place) === view.current);
  const parts = [
    ...(flag ? [make("span", { class: flag }, flagWords[flag])] : []),
    ...(rating !== null ? [make("span", {}, stars(rating))] : []),
  ];
  if (view.layout === "table") {
    element.querySelector("td.stars").replaceChildren(...parts.flatMap((part, i) => (i ? [" ", part] : [part])));
    element.querySelector("th button").setAttribute("aria-label", label(picture));
    return;
  }
  element.querySelector(".marks")?.remove();
  if (parts.length) element.prepend(make("div", { class: "marks" }, ...parts));
  element.setAttribute("aria-label", label(picture));
}

/** Sorts and goes to the top: who sorts by score wants to see the worst, or the best. */
function sortBy(key, descending) {
  Object.assign(view, { sort: key, descending, current: 0 });
  contact.scrollTop = 0;
  find("sort").value = key;
  tellDirection();
  refresh(null);
}

/** A click on a head of the table: sorts by it, or the other way round; the head, made again, keeps the focus. */
function sortByHead(key) {
  sortBy(key, view.sort === key && !view.descending);
  contact.querySelector("th[aria-sort] button").focus();
}

function tellDirection() {
  const words = view.descending ? "Descending" : "Ascending";
  find("direction").textContent = view.descending ? "▼" : "▲";
  find("direction").setAttribute("aria-label", words);
  find("direction").title = words;
}

const elementAt = (place) => contact.querySelector(`[data-place="${place}"]`);

/** Makes a place the current one, brings it into view and, if asked, gives it the focus. */
function goTo(place, { focus = true } = {}) {
  if (!order.length) return;
  const before = elementAt(view.current);
  view.current = Math.min(Math.max(place, 0), order.length - 1);
  const row = Math.floor(view.current / rows.columns);
  const [top, bottom] = [rows.top + row * rows.height, rows.top + (row + 1) * rows.height];
  const covered = view.layout === "table" ? rows.top : 0; // the head of the table stays in view
  if (top - covered < contact.scrollTop) contact.scrollTop = top - covered - (view.layout === "table" ? 0 : 8);
  else if (bottom > contact.scrollTop + contact.clientHeight) contact.scrollTop = bottom - contact.clientHeight;
  drawRows();
  const after = elementAt(view.current);
  for (const [element, current] of [
    [before, before === after],
    [after, true],
  ]) {
    if (!element) continue;
    element.classList.toggle("current", current);
    (view.layout === "table" ? element.querySelector("th button") : element).tabIndex = current ? 0 : -1;
  }
  if (focus) (view.layout === "table" ? after.querySelector("th button") : after).focus({ preventScroll: true });
}

/** Rates the current picture; it may leave the sheet if a filter on ratings is set. */
function rateCurrent(change) {
  const picture = order[view.current];
  if (!picture) return;
  mark(picture, change);
  if (find("rated").value !== "all" || view.sort === "rating") {
    const next = order[view.current + 1] ?? order[view.current - 1];
    refresh(wanted(picture) ? picture : next);
    goTo(view.current);
  } else {
    dress(elementAt(view.current), picture);
  }
}

function contactKey(event) {
  const { columns } = rows;
  const page = Math.max(1, Math.floor(contact.clientHeight / rows.height)) * columns;
  const moves = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    PageUp: -page,
    PageDown: page,
    Home: -Infinity,
    End: Infinity,
  };
  if (event.key in moves) {
    // Up and down stop at the edge instead of jumping to the first or last picture.
    const to = view.current + moves[event.key];
    const vertical = event.key === "ArrowUp" || event.key === "ArrowDown";
    if (!vertical || (to >= 0 && to < order.length)) goTo(to);
    event.preventDefault();
  } else if ((event.key === "Enter" || event.key === " ") && order.length) {
    openViewer(view.current);
    event.preventDefault();
  } else {
    const change = changeOfKey(event.key);
    if (change) rateCurrent(change);
  }
}
