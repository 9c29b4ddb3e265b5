// The same questions to targaryen: node beside.cjs DIR QUESTIONS RULES SECONDS, where DIR holds node_modules/targaryen.
// Prints one JSON object: evaluations a second by question, and milliseconds to load RULES.

const { createRequire } = require('node:module');
const { readFileSync } = require('node:fs');
const { resolve } = require('node:path');

const [directory, questions, rules, seconds] = process.argv.slice(2);
const targaryen = createRequire(resolve(directory, 'package.json'))('targaryen');
const given = JSON.parse(readFileSync(questions, 'utf8'));

const figures = {};
const database = targaryen.database(given.rules, given.data, given.now).as(given.auth);
for (const { name, read, write, value, query } of given.questions) {
  // As with us, a write's result is made before, and only the judgement is timed.
  const after = write && database.with({ data: database.root.$set(write, value, undefined, given.now), now: given.now });
  const ask = read
    ? () => database.rules.tryRead(read, database, { now: given.now, query })
    : () => database.rules.tryWrite(write, database, after, value);
  if (!ask().allowed) throw new Error(`${name} is denied`);
  let asked = 0;
  const run = (milliseconds) => {
    const began = process.hrtime.bigint();
    let took = 0;
    asked = 0;
    while (took < milliseconds) {
      for (let round = 0; round < 100; round += 1) ask();
      asked += 100;
      took = Number(process.hrtime.bigint() - began) / 1e6;
    }
    return (asked / took) * 1000;
  };
  run(300);
  figures[name] = run(seconds * 1000);
}

const text = readFileSync(rules, 'utf8');
const load = () => {
  const began = process.hrtime.bigint();
  targaryen.ruleset(JSON.parse(text));
  return Number(process.hrtime.bigint() - began) / 1e6;
};
load();
figures.load = load();
console.log(JSON.stringify(figures));
