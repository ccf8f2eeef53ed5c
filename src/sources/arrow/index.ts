export { openArrowReader } from "./arrow-reader.ts";
export { openArrowSource } from "./arrow-source.ts";
