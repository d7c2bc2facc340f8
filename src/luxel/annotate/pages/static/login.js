import { post } from "./api.js";
import { attempt, by, ready } from "./dom.js";

by("login").addEventListener("submit", attempt(async () => {
  await post("/api/session", { name: by("name").value, password: by("password").value });
  location.href = "/";
}));
ready();
