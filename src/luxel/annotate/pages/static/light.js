// Lightness, light and zones, as `luxel.photometry` and `luxel.zones` have them.

const MID_GREY = 0.18;

export const toLinear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
export const toSrgb = (v) => (v <= 0.0031308 ? v * 12.92 : 1.055 * Math.min(v, 1) ** (1 / 2.4) - 0.055);
export const lightnessOfZone = (zone) => toSrgb(Math.min(1, MID_GREY * 2 ** (zone - 5)));
export const zoneOf = (lightness) => 5 + Math.log2(Math.max(toLinear(lightness), 1e-6) / MID_GREY);
export const exposed = (lightness, stops) => toSrgb(Math.min(1, toLinear(lightness) * 2 ** stops));
export const ROMAN = ["0", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"];
