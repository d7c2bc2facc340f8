// One fragment shader for everything on the canvas: image, preview of the decision, overlay of the map, segments.

export const VERTEX = `#version 300 es
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp isampler2D;
precision highp usampler2D;
uniform sampler2D image;        // sRGB-encoded
uniform isampler2D codes;       // residual map, 1 / 32767
uniform usampler2D status;      // 0 untouched, 1 touched, 2 not judged
uniform usampler2D labels;      // segment of the granularity in use
uniform usampler2D marks;       // per segment: 1 chosen, 2 under the pointer
uniform sampler2D guide;        // red: guide, green: free share
uniform sampler2D linear;       // red: a, green: b of the guided filter, small
uniform sampler2D palette;      // 257 colours
uniform vec2 origin;            // of the image on the canvas, device pixels
uniform float scale;            // device pixels per image pixel
uniform vec2 size;              // of the image
uniform float canvasHeight;
uniform int kind;               // 0 reference, 1 residual
uniform int after;              // preview of the decision
uniform float overlay;          // opacity of the map
uniform int borders;
uniform float gamma;            // of the view only
uniform vec4 cursor;            // brush: x, y, radius in image pixels; w: shown
out vec4 colour;

const vec3 WEIGHTS = vec3(0.299, 0.587, 0.114);
const vec3 SURROUND = vec3(0.4667);

float residual(ivec2 p) { return float(texelFetch(codes, p, 0).r) / 32767.0; }

vec2 coefficients(vec2 p) {
  vec2 cells = vec2(textureSize(linear, 0));
  vec2 at = clamp(p / size * cells - 0.5, vec2(0.0), cells - 1.0);
  ivec2 low = ivec2(floor(at));
  ivec2 high = min(low + 1, ivec2(cells) - 1);
  vec2 part = at - vec2(low);
  vec2 top = mix(texelFetch(linear, low, 0).rg, texelFetch(linear, ivec2(high.x, low.y), 0).rg, part.x);
  vec2 bottom = mix(texelFetch(linear, ivec2(low.x, high.y), 0).rg, texelFetch(linear, high, 0).rg, part.x);
  return mix(top, bottom, part.y);
}

void main() {
  vec2 at = vec2(gl_FragCoord.x, canvasHeight - gl_FragCoord.y);
  vec2 place = (at - origin) / scale;
  if (place.x < 0.0 || place.y < 0.0 || place.x >= size.x || place.y >= size.y) {
    colour = vec4(SURROUND, 1.0);
    return;
  }
  ivec2 p = ivec2(floor(place));
  vec3 rgb = texelFetch(image, p, 0).rgb;
  float y = dot(rgb, WEIGHTS);
  if (after == 1) {
    float wanted;
    if (kind == 0) {
      vec2 g = texelFetch(guide, p, 0).rg;
      vec2 ab = coefficients(vec2(p) + 0.5);
      wanted = clamp(y + (ab.x * g.x + ab.y) * g.y, 0.0, 1.0);
    } else {
      wanted = clamp(y + residual(p), 0.0, 1.0);
    }
    float chroma = min(wanted / max(y, 0.001), 1.5);
    rgb = clamp(vec3(wanted) + (rgb - y) * chroma, 0.0, 1.0);
  }
  if (kind == 1) {
    uint state = texelFetch(status, p, 0).r;
    if (overlay > 0.0) {
      float index = clamp(residual(p) * 0.5 + 0.5, 0.0, 1.0) * 256.0;
      vec3 tint = texelFetch(palette, ivec2(int(index + 0.5), 0), 0).rgb;
      rgb = mix(rgb, tint, overlay);
    }
    if (state == 2u && ((p.x + p.y) & 7) < 2) rgb = vec3(0.9, 0.75, 0.1);
  }
  rgb = pow(rgb, vec3(gamma));
  uint segment = texelFetch(labels, p, 0).r;
  uint mark = texelFetch(marks, ivec2(int(segment & 255u), int(segment >> 8u)), 0).r;
  if (borders == 1 || mark != 0u) {
    // A line one device pixel wide on the side of the segment that is marked.
    vec2 inside = place - vec2(p);
    float edge = max(1.0 / scale, 0.0);
    bool line = false;
    if (inside.x < edge && p.x > 0) line = line || texelFetch(labels, p - ivec2(1, 0), 0).r != segment;
    if (inside.y < edge && p.y > 0) line = line || texelFetch(labels, p - ivec2(0, 1), 0).r != segment;
    if (mark != 0u) {
      edge = 2.0 / scale;
      if (inside.x < edge && p.x > 0) line = line || texelFetch(labels, p - ivec2(1, 0), 0).r != segment;
      if (inside.y < edge && p.y > 0) line = line || texelFetch(labels, p - ivec2(0, 1), 0).r != segment;
      if (inside.x > 1.0 - edge && p.x < int(size.x) - 1) line = line || texelFetch(labels, p + ivec2(1, 0), 0).r != segment;
      if (inside.y > 1.0 - edge && p.y < int(size.y) - 1) line = line || texelFetch(labels, p + ivec2(0, 1), 0).r != segment;
    }
    if (line) {
      if ((mark & 1u) != 0u) rgb = vec3(1.0, 0.85, 0.1);
      else if ((mark & 2u) != 0u) rgb = vec3(1.0);
      else rgb = mix(rgb, vec3(0.5), 0.45);
    }
  }
  if (cursor.w > 0.0) {
    float off = abs(distance(place, cursor.xy) - cursor.z) * scale;
    if (off < 0.9) rgb = mix(rgb, vec3(1.0), 0.9);
    else if (off < 1.8) rgb = mix(rgb, vec3(0.0), 0.7);
  }
  colour = vec4(rgb, 1.0);
}`;
