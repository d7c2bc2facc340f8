// The canvas: image and map with nearest-neighbour zoom on a grey surround, by WebGL2 or, without it, by a 2D canvas.

import { FRAGMENT, VERTEX } from "./shaders.js";
import { paint2d } from "./view2d.js";

const UNITS = ["image", "codes", "status", "labels", "marks", "guide", "linear", "palette"];

export class View {
  // kind: "reference" or "residual". forced: "2d" never uses WebGL.
  constructor(canvas, width, height, kind, forced = "") {
    this.canvas = canvas;
    this.width = width;
    this.height = height;
    this.kind = kind;
    this.state = { after: 0, overlay: 0, borders: 0, gamma: 1, cursor: [0, 0, 0, 0] };
    this.data = {};
    this.zoom = 0; // 0: as large as fits
    this.centre = [width / 2, height / 2];
    this.wanted = false;
    this.gl = forced === "2d" ? null : canvas.getContext("webgl2", { antialias: false, preserveDrawingBuffer: true });
    if (this.gl) this.prepare();
    else this.context = canvas.getContext("2d");
    this.backend = this.gl ? "webgl2" : "2d";
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  prepare() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(shader));
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    this.places = {};
    for (const name of ["origin", "scale", "size", "canvasHeight", "kind", "after", "overlay", "borders", "gamma", "cursor"])
      this.places[name] = gl.getUniformLocation(program, name);
    this.textures = {};
    UNITS.forEach((name, unit) => {
      this.textures[name] = gl.createTexture();
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[name]);
      for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.uniform1i(gl.getUniformLocation(program, name), unit);
    });
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    const one = new Uint8Array(4);
    this.upload("guide", 1, 1, "rg8", one);
    this.upload("linear", 1, 1, "rg32f", new Float32Array(2));
    this.upload("palette", 1, 1, "rgb8", one);
    this.upload("codes", 1, 1, "r16i", new Int16Array(1));
    this.upload("status", 1, 1, "r8ui", one);
    this.upload("labels", 1, 1, "r16ui", new Uint16Array(1));
    this.upload("marks", 256, 256, "r8ui", new Uint8Array(65536));
    this.upload("image", 1, 1, "rgba8", one);
  }

  upload(name, width, height, format, data) {
    const gl = this.gl;
    const [internal, external, type] = {
      rg8: [gl.RG8, gl.RG, gl.UNSIGNED_BYTE],
      rgb8: [gl.RGB8, gl.RGB, gl.UNSIGNED_BYTE],
      rgba8: [gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE],
      rg32f: [gl.RG32F, gl.RG, gl.FLOAT],
      r16i: [gl.R16I, gl.RED_INTEGER, gl.SHORT],
      r8ui: [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE],
      r16ui: [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT],
    }[format];
    gl.activeTexture(gl.TEXTURE0 + UNITS.indexOf(name));
    gl.texImage2D(gl.TEXTURE_2D, 0, internal, width, height, 0, external, type, data);
  }

  setImage(bitmap) {
    if (this.gl) {
      const gl = this.gl;
      gl.activeTexture(gl.TEXTURE0 + UNITS.indexOf("image"));
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    } else {
      const canvas = new OffscreenCanvas(this.width, this.height);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(bitmap, 0, 0);
      this.data.pixels = context.getImageData(0, 0, this.width, this.height).data;
    }
    this.draw();
  }

  setLabels(labels) {
    this.data.labels = labels;
    if (this.gl) this.upload("labels", this.width, this.height, "r16ui", labels);
    this.draw();
  }

  setMarks(marks) {
    this.data.marks = marks;
    if (this.gl) this.upload("marks", 256, 256, "r8ui", marks);
    this.draw();
  }

  setPalette(colours) {
    this.data.palette = colours;
    if (this.gl) this.upload("palette", colours.length / 3, 1, "rgb8", colours);
  }

  setGuide(guide, free) {
    this.data.guide = guide;
    this.data.free = free;
    if (!this.gl) return;
    const both = new Uint8Array(2 * guide.length);
    for (let i = 0; i < guide.length; i++) {
      both[2 * i] = guide[i];
      both[2 * i + 1] = free[i];
    }
    this.upload("guide", this.width, this.height, "rg8", both);
  }

  // The guided filter's coefficients, a and b in turn, of a smaller picture.
  setLinear(width, height, coefficients) {
    this.data.linear = { width, height, coefficients };
    if (this.gl) this.upload("linear", width, height, "rg32f", coefficients);
    this.draw();
  }

  // A residual map, or the part of it that changed.
  setMap(codes, status, window = null) {
    const first = this.data.codes === undefined;
    this.data.codes = codes;
    this.data.status = status;
    if (this.gl && (first || !window)) {
      this.upload("codes", this.width, this.height, "r16i", codes);
      this.upload("status", this.width, this.height, "r8ui", status);
    } else if (this.gl) {
      const gl = this.gl;
      const [wide, high] = [window.right - window.left, window.bottom - window.top];
      gl.pixelStorei(gl.UNPACK_ROW_LENGTH, this.width);
      gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, window.left);
      gl.pixelStorei(gl.UNPACK_SKIP_ROWS, window.top);
      gl.activeTexture(gl.TEXTURE0 + UNITS.indexOf("codes"));
      gl.texSubImage2D(gl.TEXTURE_2D, 0, window.left, window.top, wide, high, gl.RED_INTEGER, gl.SHORT, codes);
      gl.activeTexture(gl.TEXTURE0 + UNITS.indexOf("status"));
      gl.texSubImage2D(gl.TEXTURE_2D, 0, window.left, window.top, wide, high, gl.RED_INTEGER, gl.UNSIGNED_BYTE, status);
      for (const name of [gl.UNPACK_ROW_LENGTH, gl.UNPACK_SKIP_PIXELS, gl.UNPACK_SKIP_ROWS]) gl.pixelStorei(name, 0);
    }
    this.draw();
  }

  set(changes) {
    Object.assign(this.state, changes);
    this.draw();
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    this.ratio = ratio;
    this.draw();
  }

  get scale() {
    const fit = Math.min(this.canvas.width / this.width, this.canvas.height / this.height) * 0.97;
    return this.zoom || fit;
  }

  get origin() {
    const scale = this.scale;
    const centre = this.zoom ? this.centre : [this.width / 2, this.height / 2];
    return [this.canvas.width / 2 - centre[0] * scale, this.canvas.height / 2 - centre[1] * scale];
  }

  // Image coordinates of a pointer event.
  at(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) * this.ratio, (event.clientY - box.top) * this.ratio];
    const [left, top] = this.origin;
    return [(x - left) / this.scale, (y - top) / this.scale];
  }

  zoomBy(factor, around = null) {
    const before = this.scale;
    const point = around ?? [this.width / 2, this.height / 2];
    const fit = Math.min(this.canvas.width / this.width, this.canvas.height / this.height) * 0.97;
    const next = Math.min(32, before * factor);
    if (next <= fit) this.zoom = 0;
    else {
      const centre = this.zoom ? this.centre : [this.width / 2, this.height / 2];
      this.centre = centre.map((value, i) => point[i] + ((value - point[i]) * before) / next);
      this.zoom = next;
    }
    this.draw();
  }

  moveBy(dx, dy) {
    if (!this.zoom) return;
    this.centre = [this.centre[0] - (dx * this.ratio) / this.scale, this.centre[1] - (dy * this.ratio) / this.scale];
    this.draw();
  }

  draw() {
    if (this.wanted) return;
    this.wanted = true;
    requestAnimationFrame(() => {
      this.wanted = false;
      this.drawNow();
    });
  }

  drawNow() {
    if (!this.gl) {
      paint2d(this);
      return;
    }
    const { gl, places, state } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.uniform2f(places.origin, ...this.origin);
    gl.uniform1f(places.scale, this.scale);
    gl.uniform2f(places.size, this.width, this.height);
    gl.uniform1f(places.canvasHeight, this.canvas.height);
    gl.uniform1i(places.kind, this.kind === "residual" ? 1 : 0);
    gl.uniform1i(places.after, state.after);
    gl.uniform1f(places.overlay, state.overlay);
    gl.uniform1i(places.borders, state.borders);
    gl.uniform1f(places.gamma, state.gamma);
    gl.uniform4f(places.cursor, ...state.cursor);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }
}
