#!/usr/bin/env node
// The pinned solc package, dressed as the native compiler that forge expects:
//   solc.js --version              prints `Version: 0.8.28+commit.7893614a.Linux.g++`
//   solc.js --standard-json        compiles standard input to standard output
// No native compiler is downloaded, so a machine needs Node only.
'use strict';
const solc = require('solc');

const args = process.argv.slice(2);
if (args.includes('--version')) {
  // forge refuses the wasm build's tail; the version itself is untouched.
  const version = solc.version().replace(/\.Emscripten.*$/, '.Linux.g++');
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (args.includes('--standard-json')) {
  // forge hands over every source in the input, so no import callback is needed.
  process.stdout.write(solc.compile(require('fs').readFileSync(0, 'utf8')));
} else {
  process.stderr.write('usage: solc.js --version | --standard-json < input.json\n');
  process.exitCode = 2;
}
