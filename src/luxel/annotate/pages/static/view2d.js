// The same picture without WebGL: computed pixel by pixel, then drawn without smoothing.

const SURROUND = "#777777";

export function paint2d(view) {
  const { context, canvas, width, height, state, data, kind } = view;
  context.imageSmoothingEnabled = false;
  context.fillStyle = SURROUND;
  context.fillRect(0, 0, canvas.width, canvas.height);
  if (!data.pixels) return;
  const made = new ImageData(width, height);
  const out = made.data;
  const tone = Uint8Array.from({ length: 256 }, (_, i) => Math.round(255 * (i / 255) ** state.gamma));
  for (let place = 0, p = 0; place < width * height; place++, p += 4) {
    let [red, green, blue] = [data.pixels[p], data.pixels[p + 1], data.pixels[p + 2]];
    if (state.after) {
      const y = 0.299 * red + 0.587 * green + 0.114 * blue;
      const wanted = Math.min(Math.max(y + 255 * changeAt(view, place), 0), 255);
      const chroma = Math.min(wanted / Math.max(y, 0.255), 1.5);
      red = wanted + (red - y) * chroma;
      green = wanted + (green - y) * chroma;
      blue = wanted + (blue - y) * chroma;
    }
    if (kind === "residual" && data.codes && state.overlay > 0) {
      const index = 3 * Math.round((data.codes[place] / 32767 / 2 + 0.5) * 256);
      red += (data.palette[index] - red) * state.overlay;
      green += (data.palette[index + 1] - green) * state.overlay;
      blue += (data.palette[index + 2] - blue) * state.overlay;
    }
    const x = place % width;
    if (kind === "residual" && data.status?.[place] === 2 && ((x + (place - x) / width) & 7) < 2)
      [red, green, blue] = [230, 191, 26];
    out[p] = tone[Math.min(255, Math.max(0, Math.round(red)))];
    out[p + 1] = tone[Math.min(255, Math.max(0, Math.round(green)))];
    out[p + 2] = tone[Math.min(255, Math.max(0, Math.round(blue)))];
    out[p + 3] = 255;
    if (data.labels && (state.borders || data.marks)) border(view, out, place, p, x);
  }
  const whole = new OffscreenCanvas(width, height);
  whole.getContext("2d").putImageData(made, 0, 0);
  const [left, top] = view.origin;
  context.drawImage(whole, left, top, width * view.scale, height * view.scale);
  const [cursorX, cursorY, radius, shown] = state.cursor;
  if (shown) {
    context.strokeStyle = "white";
    context.beginPath();
    context.arc(left + cursorX * view.scale, top + cursorY * view.scale, radius * view.scale, 0, 2 * Math.PI);
    context.stroke();
  }
}

function border(view, out, place, p, x) {
  const { labels, marks } = view.data;
  const segment = labels[place];
  const line = (x > 0 && labels[place - 1] !== segment) || (place >= view.width && labels[place - view.width] !== segment);
  if (!line) return;
  const mark = marks?.[segment] ?? 0;
  if (mark & 1) [out[p], out[p + 1], out[p + 2]] = [255, 217, 26];
  else if (mark & 2) [out[p], out[p + 1], out[p + 2]] = [255, 255, 255];
  else if (view.state.borders) for (const i of [0, 1, 2]) out[p + i] = 0.55 * out[p + i] + 57;
}

// Change of lightness that the decision makes of a pixel.
function changeAt(view, place) {
  const { data, width, height, kind } = view;
  if (kind === "residual") return data.codes[place] / 32767;
  const { width: wide, height: high, coefficients } = data.linear;
  const column = Math.min(Math.max((((place % width) + 0.5) / width) * wide - 0.5, 0), wide - 1);
  const row = Math.min(Math.max(((Math.floor(place / width) + 0.5) / height) * high - 0.5, 0), high - 1);
  const [x0, y0] = [Math.floor(column), Math.floor(row)];
  const [x1, y1] = [Math.min(x0 + 1, wide - 1), Math.min(y0 + 1, high - 1)];
  const [u, v] = [column - x0, row - y0];
  const mixed = (i) => {
    const at = (x, y) => coefficients[2 * (y * wide + x) + i];
    return (at(x0, y0) * (1 - u) + at(x1, y0) * u) * (1 - v) + (at(x0, y1) * (1 - u) + at(x1, y1) * u) * v;
  };
  return ((mixed(0) * data.guide[place]) / 255 + mixed(1)) * (data.free[place] / 255);
}
