// Requests to the server. Unsafe ones repeat the token that the page came with.

const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";

export class ApiError extends Error {
  constructor(status, body) {
    const detail = Array.isArray(body?.detail) ? body.detail.map((d) => d.msg).join("; ") : body?.detail;
    super(body?.error ?? detail ?? `the server answered ${status}`);
    this.status = status;
    this.body = body;
  }
}

export async function ask(method, path, body) {
  const options = { method, headers: { "x-csrf-token": csrf }, credentials: "same-origin" };
  if (body !== undefined) {
    options.headers["content-type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const response = await fetch(path, options);
  if (response.status === 401) location.href = "/login";
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer);
  return answer;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);

export async function bytes(path) {
  const response = await fetch(path, { credentials: "same-origin" });
  if (!response.ok) throw new ApiError(response.status, await response.json().catch(() => ({})));
  return response.arrayBuffer();
}

export async function bitmap(path) {
  const response = await fetch(path, { credentials: "same-origin" });
  if (!response.ok) throw new ApiError(response.status, {});
  // As the file has it: no conversion between the file and the texture.
  return createImageBitmap(await response.blob(), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}
