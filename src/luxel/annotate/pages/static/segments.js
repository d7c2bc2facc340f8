// Segments of a scene at three granularities: labels, parents, centres, and what lies in which direction.

export const GRANULARITIES = ["coarse", "medium", "fine"];

export class Segments {
  // fine: Uint16Array of pixels. facts: of the server.
  constructor(fine, width, height, facts) {
    this.fine = fine;
    this.width = width;
    this.height = height;
    this.mean = facts.mean;
    this.size = facts.size;
    this.parents = { coarse: facts.coarse, medium: facts.medium, fine: facts.mean.map((_, i) => i) };
    this.children = {};
    this.centres = {};
    const sums = facts.mean.map(() => [0, 0]);
    fine.forEach((segment, place) => {
      sums[segment][0] += place % width;
      sums[segment][1] += Math.floor(place / width);
    });
    for (const name of GRANULARITIES) {
      const count = Math.max(...this.parents[name]) + 1;
      this.children[name] = Array.from({ length: count }, () => []);
      this.parents[name].forEach((parent, i) => this.children[name][parent].push(i));
      this.centres[name] = this.children[name].map((members) => {
        const size = members.reduce((total, i) => total + this.size[i], 0);
        return [0, 1].map((axis) => members.reduce((total, i) => total + sums[i][axis], 0) / size);
      });
    }
  }

  labels(granularity) {
    const of = this.parents[granularity];
    return Uint16Array.from(this.fine, (segment) => of[segment]);
  }

  at(granularity, x, y) {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    if (column < 0 || row < 0 || column >= this.width || row >= this.height) return null;
    return this.parents[granularity][this.fine[row * this.width + column]];
  }

  // The nearest segment in a direction: far to the side counts twice.
  towards(granularity, from, [dx, dy]) {
    const centres = this.centres[granularity];
    const [x, y] = centres[from];
    let best = from;
    let least = Infinity;
    centres.forEach(([cx, cy], segment) => {
      const ahead = (cx - x) * dx + (cy - y) * dy;
      const aside = Math.abs((cx - x) * dy) + Math.abs((cy - y) * dx);
      if (segment !== from && ahead > 0.5 && ahead + 2 * aside < least) {
        least = ahead + 2 * aside;
        best = segment;
      }
    });
    return best;
  }
}
