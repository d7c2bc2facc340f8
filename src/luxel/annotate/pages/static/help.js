import "./session.js";
import { by, ready, show, table } from "./dom.js";
import { ACTIONS, keysOf } from "./keys.js";

const rows = Object.entries(ACTIONS).map(([action, [, words]]) => [keysOf(action).join(" or "), words]);
show(by("key-list"), table(["Key", "Does"], [["0 ... 9", "Zone of the chosen segments (7.5 is white)"], ...rows]));
ready();
