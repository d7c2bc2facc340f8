// Stars and flags: kept in this browser under the folder's key, exported and imported as JSON.

const FORMAT = "luxel-ratings-1";
const STORE = "luxel-ratings:" + report.key;
let marks = {}; // path -> { rating: 0 ... 5 or null, flag: "pick", "reject" or null }
let storable = true;

function readStore() {
  try {
    const stored = JSON.parse(localStorage.getItem(STORE) ?? "{}");
    marks = Object.fromEntries(Object.entries(stored).filter(([, mark]) => isMark(mark)));
  } catch {
    storable = false; // storage is blocked or was damaged; `warnIfNotStored` tells
  }
}

function writeStore() {
  try {
    localStorage.setItem(STORE, JSON.stringify(marks));
    storable = true;
  } catch {
    storable = false;
  }
  warnIfNotStored();
}

function isMark(mark) {
  return (
    mark !== null &&
    typeof mark === "object" &&
    (mark.rating === null || [0, 1, 2, 3, 4, 5].includes(mark.rating)) &&
    [null, "pick", "reject"].includes(mark.flag)
  );
}

function notice(message) {
  find("notice").textContent = message;
  find("notice").hidden = !message;
}

function warnIfNotStored() {
  if (!storable) notice("This browser does not keep ratings for this page: export them before you close it.");
}

const markOf = (picture) => (Object.hasOwn(marks, picture.path) ? marks[picture.path] : { rating: null, flag: null });

function mark(picture, change) {
  const now = { ...markOf(picture), ...change };
  if (now.rating === null && now.flag === null) delete marks[picture.path];
  else Object.defineProperty(marks, picture.path, { value: now, enumerable: true, configurable: true, writable: true });
  writeStore();
}

/** What a key does to a mark; undefined for other keys. */
function changeOfKey(key) {
  if (/^[0-5]$/.test(key)) return { rating: Number(key) };
  return { p: { flag: "pick" }, x: { flag: "reject" }, u: { flag: null } }[key.toLowerCase()];
}

const stars = (rating) => (rating === null ? "" : rating === 0 ? "0" : "★".repeat(rating));
const flagWords = { pick: "pick", reject: "reject" };

function exportRatings() {
  const ratings = pictures
    .filter((picture) => Object.hasOwn(marks, picture.path))
    .map((picture) => ({ path: picture.path, rating: markOf(picture).rating, flag: markOf(picture).flag }));
  if (!ratings.length) return notice("Nothing is rated yet: use the keys 0 to 5, P and X.");
  const content = {
    format: FORMAT,
    folder: report.folder,
    key: report.key,
    exported: new Date().toISOString(),
    ratings,
  };
  const link = make("a", {
    href: URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" })),
    download: "ratings.json",
  });
  link.click();
  URL.revokeObjectURL(link.href);
  notice(
    `ratings.json: ${ratings.length} of ${pictures.length} pictures. Write sidecars with: luxel xmp ratings.json FOLDER`,
  );
}

async function importRatings(file) {
  let entries;
  try {
    const content = JSON.parse(await file.text());
    entries = content.format === FORMAT && Array.isArray(content.ratings) ? content.ratings : null;
  } catch {
    entries = null;
  }
  if (!entries) return notice(`${file.name} is not a file of ratings that a report exported.`);
  const known = new Map(pictures.map((picture) => [picture.path, picture]));
  const usable = entries.filter((entry) => isMark(entry) && known.has(entry.path));
  for (const entry of usable) mark(known.get(entry.path), { rating: entry.rating, flag: entry.flag });
  const left = entries.length - usable.length;
  notice(
    `${usable.length} ratings read from ${file.name}` +
      (left ? `; ${left} belong to no picture of this report` : "") +
      ".",
  );
  warnIfNotStored();
}
