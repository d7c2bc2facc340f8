import "./session.js";
import { ask, get, post } from "./api.js";
import { attempt, by, element, ready, show, table, when } from "./dom.js";

async function load() {
  const users = await get("/api/users");
  const rows = users.map((user) => {
    const role = element("select", { "aria-label": `Role of ${user.name}` },
      ...["annotator", "adjudicator", "admin"].map((name) => element("option", { selected: name === user.role }, name)));
    role.addEventListener("change", change(user, () => ({ role: role.value })));
    const button = element("button", { type: "button", onclick: change(user, () => ({ active: !user.active })) },
      user.active ? "Deactivate" : "Activate");
    return [user.name, role, user.active ? "yes" : "no", when(user.since), button];
  });
  show(by("users"), table(["Name", "Role", "Active", "Since", ""], rows));
  const trail = await get("/api/audit");
  by("sound").textContent = `${trail.entries} entries; the chain of hashes is sound.`;
  const lines = trail.rows.map((row) => [`${row.id}`, when(row.at), row.who, row.action, row.subject, JSON.stringify(row.detail)]);
  show(by("audit"), table(["", "When", "Who", "Did", "To", ""], lines));
}

const change = (user, body) => attempt(async () => {
  try {
    await ask("PATCH", `/api/users/${user.id}`, body());
  } finally {
    await load();
  }
});

by("invite").addEventListener("submit", attempt(async () => {
  const { path } = await post("/api/invitations", { name: by("name").value, role: by("role").value });
  by("link").textContent = location.origin + path;
  by("link").hidden = false;
  await load();
}));
attempt(load)().then(ready);
