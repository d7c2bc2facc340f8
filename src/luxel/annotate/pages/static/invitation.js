import { post } from "./api.js";
import { attempt, by, ready } from "./dom.js";

by("invitation")?.addEventListener("submit", attempt(async () => {
  const password = by("password").value;
  if (password !== by("again").value) throw new Error("The two passwords differ.");
  await post("/api/invitations/accept", { token: by("invitation").dataset.token, password });
  location.href = "/screen";
}));
ready();
