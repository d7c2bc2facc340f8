// What `luxel.annotate.editing.strokes` computes, in the same order, so that both give the same bits.
// Only + - * / sqrt and rounding of doubles are used; IEEE 754 fixes their results.

export const SCALE = 32767;
const POINT_STEPS = 4;

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export function windowOf(points, margin, width, height) {
  let [lowX, lowY, highX, highY] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of points) {
    lowX = Math.min(lowX, x);
    lowY = Math.min(lowY, y);
    highX = Math.max(highX, x);
    highY = Math.max(highY, y);
  }
  const left = clamp(Math.floor(lowX / POINT_STEPS) - margin - 1, 0, width);
  const top = clamp(Math.floor(lowY / POINT_STEPS) - margin - 1, 0, height);
  const right = clamp(Math.floor(highX / POINT_STEPS) + margin + 2, left, width);
  const bottom = clamp(Math.floor(highY / POINT_STEPS) + margin + 2, top, height);
  return { left, top, right, bottom };
}

// Squared distance to the polyline for the pixels of a window that a brush of this radius reaches; the others stay as
// they are. from: first point that is new. `nearest` has the window's pixels.
export function extendDistance(nearest, points, from, window, radius) {
  const wide = window.right - window.left;
  const ends = points.length === 1 ? [points[0], points[0]] : points;
  for (let i = Math.max(1, from); i < ends.length; i++) {
    const ax = ends[i - 1][0] / POINT_STEPS;
    const ay = ends[i - 1][1] / POINT_STEPS;
    const bx = ends[i][0] / POINT_STEPS;
    const by = ends[i][1] / POINT_STEPS;
    const vx = bx - ax;
    const vy = by - ay;
    const length = vx * vx + vy * vy;
    const left = clamp(Math.floor(Math.min(ax, bx)) - radius - 1, window.left, window.right);
    const right = clamp(Math.floor(Math.max(ax, bx)) + radius + 2, left, window.right);
    const top = clamp(Math.floor(Math.min(ay, by)) - radius - 1, window.top, window.bottom);
    const bottom = clamp(Math.floor(Math.max(ay, by)) + radius + 2, top, window.bottom);
    for (let row = top; row < bottom; row++) {
      const y = row + 0.5;
      let place = (row - window.top) * wide + left - window.left;
      for (let column = left; column < right; column++, place++) {
        const x = column + 0.5;
        let dx = x - ax;
        let dy = y - ay;
        if (length > 0) {
          const along = clamp(((x - ax) * vx + (y - ay) * vy) / length, 0, 1);
          dx = x - (ax + along * vx);
          dy = y - (ay + along * vy);
        }
        const squared = dx * dx + dy * dy;
        if (squared < nearest[place]) nearest[place] = squared;
      }
    }
  }
}

export function weightOf(squared, brush) {
  const distance = Math.sqrt(squared);
  const inner = (brush.radius * brush.hardness) / 100;
  let weight = 0;
  if (distance <= inner) weight = 1;
  else if (distance < brush.radius) weight = (brush.radius - distance) / (brush.radius - inner);
  return (weight * brush.opacity) / 100;
}

export function coverage(points, brush, window) {
  const count = (window.right - window.left) * (window.bottom - window.top);
  const nearest = new Float64Array(count).fill(Infinity);
  extendDistance(nearest, points, 1, window, brush.radius);
  for (let i = 0; i < count; i++) nearest[i] = weightOf(nearest[i], brush);
  return nearest;
}

export const towards = (code, target, weight) => code + Math.floor((target - code) * weight + 0.5);
export const added = (code, amount, weight) => clamp(code + Math.floor(amount * weight + 0.5), -SCALE, SCALE);

export function smoothed(codes, width, height, window, radius) {
  // Running sums of the rows and columns that the window can see; whole numbers, so doubles are exact.
  const left = Math.max(0, window.left - radius);
  const right = Math.min(width, window.right + radius);
  const top = Math.max(0, window.top - radius);
  const bottom = Math.min(height, window.bottom + radius);
  const wide = right - left + 1;
  const sums = new Float64Array(wide * (bottom - top + 1));
  for (let y = top; y < bottom; y++) {
    let row = 0;
    for (let x = left; x < right; x++) {
      row += codes[y * width + x];
      sums[(y - top + 1) * wide + (x - left + 1)] = sums[(y - top) * wide + (x - left + 1)] + row;
    }
  }
  const means = new Int32Array((window.right - window.left) * (window.bottom - window.top));
  let place = 0;
  for (let y = window.top; y < window.bottom; y++) {
    const y0 = Math.max(y - radius, 0);
    const y1 = Math.min(y + radius + 1, height);
    for (let x = window.left; x < window.right; x++, place++) {
      const x0 = Math.max(x - radius, 0);
      const x1 = Math.min(x + radius + 1, width);
      const at = (yy, xx) => sums[(yy - top) * wide + (xx - left)];
      const total = at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0);
      means[place] = Math.floor(total / ((y1 - y0) * (x1 - x0)) + 0.5);
    }
  }
  return means;
}
