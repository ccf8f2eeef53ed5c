#!/usr/bin/env node
"use strict";
// CommonJS (see package.json beside it): the loader of ES modules costs a start 7 ms.
require("../dist/start/command-line.cjs").start(process.argv.slice(2));
