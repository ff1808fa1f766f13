// Strips the types of NAME.ts in this directory and writes NAME.mjs.

import { readFileSync, writeFileSync } from "node:fs";
import { transformSync } from "amaro";

const file = (extension) => new URL(`${process.argv[2]}.${extension}`, import.meta.url);
writeFileSync(file("mjs"), transformSync(readFileSync(file("ts"), "utf8"), { mode: "strip-only" }).code);
