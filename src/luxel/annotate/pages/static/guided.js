// The dataset's rule while a person works: the guided filter on a smaller picture, its coefficients for the full one.
// The exact reference is made by the server; `tests/annotate/test_browser.py` compares the two.

const WORKING_SIDE = 128;

export class GuidedPreview {
  constructor(segments, guide, free, radius, smoothness) {
    const { width, height, fine } = segments;
    const step = Math.max(1, Math.floor(Math.min(width, height) / WORKING_SIDE));
    this.width = Math.ceil(width / step);
    this.height = Math.ceil(height / step);
    this.radius = Math.max(1, Math.round(radius / step));
    this.smoothness = smoothness;
    const cells = this.width * this.height;
    this.guide = new Float64Array(cells);
    const parts = Array.from({ length: cells }, () => new Map());
    const count = new Float64Array(cells);
    for (let y = 0, place = 0; y < height; y++) {
      for (let x = 0; x < width; x++, place++) {
        const cell = Math.floor(y / step) * this.width + Math.floor(x / step);
        count[cell] += 1;
        this.guide[cell] += guide[place] / 255;
        parts[cell].set(fine[place], (parts[cell].get(fine[place]) ?? 0) + free[place] / 255);
      }
    }
    this.parts = parts.map((part, cell) => {
      this.guide[cell] /= count[cell];
      return [...part].map(([segment, weight]) => [segment, weight / count[cell]]);
    });
    this.guideMean = this.box(this.guide);
    const squares = this.box(this.guide.map((value) => value * value));
    this.variance = squares.map((value, i) => Math.max(0, value - this.guideMean[i] ** 2));
  }

  // Coefficients a and b in turn for every small pixel. shift: change of lightness of every fine segment.
  coefficients(shift) {
    const source = Float64Array.from(this.parts, (part) =>
      part.reduce((total, [segment, weight]) => total + weight * shift[segment], 0),
    );
    const mean = this.box(source);
    const product = this.box(source.map((value, i) => value * this.guide[i]));
    const slope = product.map((v, i) => (v - mean[i] * this.guideMean[i]) / (this.variance[i] + this.smoothness));
    const offset = mean.map((value, i) => value - slope[i] * this.guideMean[i]);
    const [a, b] = [this.box(slope), this.box(offset)];
    const both = new Float32Array(2 * a.length);
    for (let i = 0; i < a.length; i++) {
      both[2 * i] = a[i];
      both[2 * i + 1] = b[i];
    }
    return both;
  }

  // Mean over the square around every pixel, cut at the borders.
  box(values) {
    const { width, height, radius } = this;
    const sums = new Float64Array((width + 1) * (height + 1));
    for (let y = 0; y < height; y++) {
      let row = 0;
      for (let x = 0; x < width; x++) {
        row += values[y * width + x];
        sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
      }
    }
    const means = new Float64Array(width * height);
    for (let y = 0; y < height; y++) {
      const [top, bottom] = [Math.max(0, y - radius), Math.min(height, y + radius + 1)];
      for (let x = 0; x < width; x++) {
        const [left, right] = [Math.max(0, x - radius), Math.min(width, x + radius + 1)];
        const total =
          sums[bottom * (width + 1) + right] -
          sums[top * (width + 1) + right] -
          sums[bottom * (width + 1) + left] +
          sums[top * (width + 1) + left];
        means[y * width + x] = total / ((bottom - top) * (right - left));
      }
    }
    return means;
  }
}
