// Which pictures are shown and in what order.

const view = { layout: "sheet", show: "picture", size: 220, sort: "path", descending: false, current: 0 };
let order = []; // pictures that are shown, in their order

const collator = new Intl.Collator(undefined, { numeric: true });
const SORTS = {
  path: ["Name", (p) => p.path],
  score: ["Score", (p) => p.score],
  over: ["Over", (p) => p.over],
  under: ["Under", (p) => p.under],
  ev: ["EV", (p) => p.ev ?? undefined],
  verdict: ["Verdict", (p) => p.verdict?.score ?? undefined],
  rating: ["Rating", (p) => (markOf(p).flag === "reject" ? -1 : (markOf(p).rating ?? undefined))],
};
if (!report.criteria) delete SORTS.verdict;

const RANGES = {
  score: ["Score", 1, 0, 10, 0.1],
  over: ["Over %", 100, 0, 100, 1],
  under: ["Under %", 100, 0, 100, 1],
  ev: ["EV", 1, -6, 6, 0.1],
};
const RATED = {
  all: ["all", () => true],
  unrated: ["not rated", (m) => m.rating === null && m.flag === null],
  picks: ["picks", (m) => m.flag === "pick"],
  kept: ["not rejected", (m) => m.flag !== "reject"],
  rejects: ["rejects", (m) => m.flag === "reject"],
};
for (let n = 1; n <= 5; n++)
  RATED[`stars-${n}`] = ["★".repeat(n) + (n < 5 ? " or more" : ""), (m) => (m.rating ?? 0) >= n];

function wanted(picture) {
  const needle = find("name").value.trim().toLowerCase();
  if (needle && !picture.search.includes(needle)) return false;
  for (const [key, [, scale]] of Object.entries(RANGES)) {
    const [low, high] = ["low", "high"].map((end) => find(`${key}-${end}`).valueAsNumber);
    if (Number.isNaN(low) && Number.isNaN(high)) continue;
    // A picture that could not be assessed, or has no advice, has no figure, so it is in no range. Half a digit is
    // rounding.
    const value = (picture[key] ?? null) === null ? NaN : picture[key] * scale;
    if (!(
      value >= (Number.isNaN(low) ? -Infinity : low - 1e-9) && value <= (Number.isNaN(high) ? Infinity : high + 1e-9)
    ))
      return false;
  }
  return RATED[find("rated").value][1](markOf(picture));
}

/** Sorts and filters again. keep: the picture to stay at, by default the current one. */
function refresh(keep = order[view.current]) {
  const value = SORTS[view.sort][1];
  const sign = view.descending ? -1 : 1;
  order = pictures.filter(wanted).sort((a, b) => {
    const [va, vb] = [value(a), value(b)];
    // What has no value goes last in either direction.
    if (va === undefined || vb === undefined) return (va === undefined) - (vb === undefined) || a.number - b.number;
    const difference = typeof va === "string" ? collator.compare(va, vb) : va - vb;
    return sign * difference || a.number - b.number;
  });
  const place = order.indexOf(keep);
  view.current = Math.max(0, place >= 0 ? place : Math.min(view.current, order.length - 1));
  tellCount();
  lay();
}

function tellCount() {
  const hidden = pictures.length - order.length;
  find("count").replaceChildren(
    `${order.length} shown `,
    ...(hidden ? [make("span", { class: "hidden-some" }, `${hidden} hidden`)] : []),
  );
}
