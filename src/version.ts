import { createRequire } from "node:module";

const { version } = createRequire(import.meta.url)("batchpredict/package.json") as { version: string };

export const PACKAGE_VERSION: string = version;
