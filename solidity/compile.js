#!/usr/bin/env node
// Compiles with the pinned solc packages.
//
//   node compile.js              our sources  -> artifacts/<Name>.json        (committed)
//   node compile.js --check      exit 1 unless the committed artifacts are what the sources compile to
//   node compile.js --packages   third-party sources -> out/packages/<Name>.json  (a cache, never committed)
//
//   src/*.sol, reference/**/*.sol ──solc 0.8.28──▶ artifacts/
//   node_modules/@morpho-org/…    ──solc 0.8.19──▶ out/packages/
//
// An artifact holds no path, host or time, and its keys are sorted: the same source gives the same bytes anywhere.
'use strict';
const fs = require('fs');
const path = require('path');
const crypto = require('crypto');

const ROOT = __dirname;
const ARTIFACTS = path.join(ROOT, 'artifacts');
const PACKAGES = path.join(ROOT, 'out', 'packages');

/** Settings of our own contracts; foundry.toml has the same ones. */
const OURS = {
  evmVersion: 'cancun',
  viaIR: true,
  optimizer: { enabled: true, runs: 20000 },
  metadata: { bytecodeHash: 'none', appendCBOR: false },
};

/** 2394: transient storage outlives a call. Executor.sol leaves its guard, stack and marks cleared behind. */
const EXPECTED_WARNINGS = new Set(['2394']);

/** What is compiled from packages that publish sources only: [package, compiler, source, contract, settings]. */
const THIRD_PARTY = [
  {
    package: '@morpho-org/morpho-blue',
    compiler: 'solc-0.8.19',
    source: 'src/Morpho.sol',
    contract: 'Morpho',
    settings: { optimizer: { enabled: true, runs: 200 } },
  },
];

/** JSON with sorted keys at every level. */
function stable(value) {
  const sorted = (v) => {
    if (Array.isArray(v)) return v.map(sorted);
    if (v === null || typeof v !== 'object') return v;
    return Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])]));
  };
  return `${JSON.stringify(sorted(value), null, 2)}\n`;
}

/** All .sol files below a folder, relative to ROOT, with forward slashes, sorted. */
function solidityFiles(folder) {
  if (!fs.existsSync(path.join(ROOT, folder))) return [];
  return fs
    .readdirSync(path.join(ROOT, folder), { recursive: true })
    .map((name) => path.posix.join(folder, String(name).split(path.sep).join('/')))
    .filter((name) => name.endsWith('.sol'))
    .sort();
}

/** Runs one compiler; throws with its messages when it reports an error. */
function compile(compilerPackage, sources, settings, readImport) {
  const solc = require(compilerPackage);
  const input = {
    language: 'Solidity',
    sources,
    settings: { ...settings, outputSelection: { '*': { '*': ['abi', 'evm.bytecode', 'evm.deployedBytecode'] } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readImport }));
  const problems = output.errors || [];
  const errors = problems.filter((e) => e.severity === 'error');
  if (errors.length > 0) throw new Error(errors.map((e) => e.formattedMessage).join('\n'));
  for (const warning of problems) {
    if (!EXPECTED_WARNINGS.has(warning.errorCode)) process.stderr.write(warning.formattedMessage);
  }
  return { contracts: output.contracts, compiler: solc.version().replace(/\.Emscripten.*$/, '') };
}

/** One contract of a compiler's output in our form. */
function artifact(contract, compiler, settings) {
  return {
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
    compiler,
    settings,
  };
}

/** Our artifacts: file name -> text. Interfaces and abstract contracts have no code and are left out. */
function compileOurs() {
  const files = [...solidityFiles('src'), ...solidityFiles('reference')];
  const sources = Object.fromEntries(
    files.map((name) => [name, { content: fs.readFileSync(path.join(ROOT, name), 'utf8') }]),
  );
  const { contracts, compiler } = compile('solc', sources, OURS, (name) => ({ error: `not found: ${name}` }));
  const result = new Map();
  for (const file of files) {
    for (const [name, contract] of Object.entries(contracts[file] || {})) {
      if (contract.evm.bytecode.object === '') continue;
      if (result.has(`${name}.json`)) throw new Error(`two contracts are called ${name}`);
      result.set(`${name}.json`, stable(artifact(contract, compiler, OURS)));
    }
  }
  return result;
}

function writeOurs() {
  const result = compileOurs();
  fs.mkdirSync(ARTIFACTS, { recursive: true });
  for (const name of fs.readdirSync(ARTIFACTS)) if (!result.has(name)) fs.rmSync(path.join(ARTIFACTS, name));
  for (const [name, text] of result) fs.writeFileSync(path.join(ARTIFACTS, name), text);
  for (const [name, text] of result) {
    const bytes = (JSON.parse(text).deployedBytecode.length - 2) / 2;
    process.stdout.write(`${name.padEnd(24)} ${bytes} bytes\n`);
  }
}

function checkOurs() {
  const result = compileOurs();
  const committed = fs.existsSync(ARTIFACTS) ? fs.readdirSync(ARTIFACTS) : [];
  const wrong = [];
  for (const [name, text] of result) {
    const file = path.join(ARTIFACTS, name);
    // A checkout may have turned line ends around; the content is what counts.
    if (!fs.existsSync(file)) wrong.push(`${name}: missing`);
    else if (fs.readFileSync(file, 'utf8').replace(/\r\n/g, '\n') !== text) wrong.push(`${name}: not what its source compiles to`);
  }
  for (const name of committed) if (!result.has(name)) wrong.push(`${name}: has no source`);
  if (wrong.length > 0) {
    process.stderr.write(`${wrong.join('\n')}\nrun \`node compile.js\` in solidity/ and commit artifacts/\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${result.size} artifacts are what their sources compile to\n`);
  }
}

/** Third-party sources, once per package version and settings. */
function compilePackages() {
  fs.mkdirSync(PACKAGES, { recursive: true });
  for (const item of THIRD_PARTY) {
    const base = path.join(ROOT, 'node_modules', item.package);
    const { version } = JSON.parse(fs.readFileSync(path.join(base, 'package.json'), 'utf8'));
    const compilerVersion = JSON.parse(
      fs.readFileSync(path.join(ROOT, 'node_modules', item.compiler, 'package.json'), 'utf8'),
    ).version;
    const key = crypto
      .createHash('sha256')
      .update(stable({ ...item, version, compilerVersion }))
      .digest('hex');
    const file = path.join(PACKAGES, `${item.contract}.json`);
    if (fs.existsSync(file) && cacheKey(file) === key) continue;
    const read = (name) => {
      const target = path.resolve(base, name);
      if (!target.startsWith(base + path.sep) || !fs.existsSync(target)) return { error: `not found: ${name}` };
      return { contents: fs.readFileSync(target, 'utf8') };
    };
    const sources = { [item.source]: { content: read(item.source).contents } };
    const { contracts, compiler } = compile(item.compiler, sources, item.settings, read);
    const text = stable({
      key,
      package: `${item.package}@${version}`,
      ...artifact(contracts[item.source][item.contract], compiler, item.settings),
    });
    // Written aside and renamed, so that a reader never sees half a file.
    const aside = `${file}.${process.pid}`;
    fs.writeFileSync(aside, text);
    fs.renameSync(aside, file);
    process.stdout.write(`${item.contract} from ${item.package}@${version}\n`);
  }
}

function cacheKey(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')).key;
  } catch {
    return undefined;
  }
}

const mode = process.argv[2];
if (mode === undefined) writeOurs();
else if (mode === '--check') checkOurs();
else if (mode === '--packages') compilePackages();
else {
  process.stderr.write('usage: node compile.js [--check | --packages]\n');
  process.exitCode = 2;
}
