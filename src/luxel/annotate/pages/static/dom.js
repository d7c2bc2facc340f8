// Small helpers for pages. Text becomes text, never markup.

export const by = (id) => document.getElementById(id);

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function show(place, ...children) {
  place.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

export function table(heads, rows, caption = "") {
  return element(
    "div",
    { class: "scroll" },
    element(
      "table",
      {},
      caption ? element("caption", {}, caption) : null,
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element(
        "tbody",
        {},
        ...rows.map((row) => element("tr", {}, ...row.map((cell) => element("td", {}, cell ?? "–")))),
      ),
    ),
  );
}

export function say(message, kind = "error") {
  const place = by("message");
  place.textContent = message;
  place.className = message ? kind : "";
  place.hidden = !message;
}

export const number = (value, digits = 3) => (value === null || value === undefined ? "–" : value.toFixed(digits));

export function when(stamp) {
  return stamp ? new Date(stamp).toLocaleString() : "";
}

export function attempt(work) {
  return async (event) => {
    event?.preventDefault?.();
    say("");
    try {
      await work(event);
    } catch (error) {
      say(error.message);
    }
  };
}

export function ready() {
  document.documentElement.dataset.ready = "yes";
}
