#!/usr/bin/env node
// Runs forge and ends as forge ends. The package's own launcher ends with 0 whatever forge says, so that failing tests pass.
//
//   node forge.js test
'use strict';
const { spawnSync } = require('child_process');

const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch];
const file = process.platform === 'win32' ? 'forge.exe' : 'forge';
const binary = require.resolve(`@foundry-rs/forge-${process.platform}-${arch}/bin/${file}`);
const { status, error } = spawnSync(binary, process.argv.slice(2), { stdio: 'inherit' });
if (error) throw error;
process.exitCode = status === null ? 1 : status;
