// Agreement as a table, with what is not defined and why.

import { element, number, table } from "./dom.js";

const NAMES = {
  icc_single: "ICC(2,1), one expert",
  icc_mean: "ICC(2,k), mean of all",
  alpha: "Krippendorff's alpha",
  sign: "sign agreement",
  mean_difference: "mean difference of two",
};

export function agreementTable(found) {
  const rows = Object.entries(NAMES).map(([key, words]) => {
    const { value, low, high } = found[key];
    const interval = low === null ? (found.undefined[key] ?? found.undefined.intervals ?? "–") : `${number(low)} to ${number(high)}`;
    return [words, number(value), interval];
  });
  const words = `${found.scenes} scenes or frames, ${found.cells} segments, experts: ${found.experts.join(", ") || "none"}`;
  return element("div", {}, element("p", { class: "quiet" }, words), table(["", "value", "95 % interval"], rows));
}
