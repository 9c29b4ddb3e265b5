// The questions of a file to targaryen: node beside.cjs DIR QUESTIONS, where DIR holds node_modules/targaryen. Prints one
// JSON object: how many answers are the same, how many are so with which corrections, and which are not with all of them.

const { readFileSync } = require('node:fs');
const { join, resolve } = require('node:path');

const [directory, file] = process.argv.slice(2);
const library = join(resolve(directory), 'node_modules/targaryen');
const targaryen = require(library);
const { names, active } = require('./corrections.cjs')(library);
const { now, place, questions } = JSON.parse(readFileSync(file, 'utf8'));

function answer({ kind, expression, data, value, auth, query }, corrections) {
  active.clear();
  corrections.forEach((name) => active.add(name));
  const rules = { [kind]: expression };
  if (kind === '.validate') rules['.write'] = true;
  let database;
  try {
    database = targaryen.database({ rules: { at: { $k: rules } } }, data, now).as(auth);
  } catch {
    return 'invalid';
  }
  const asked = kind === '.read' ? database.read(place, { now, query }) : database.write(place, value, undefined, now);
  const log = asked.logs.find((log) => `.${log.kind}` === kind && log.path.replace(/^\//, '') === place.slice(1));
  if (log.error) return 'error';
  return { true: 'true', false: 'false' }[String(log.value)] ?? 'error';
}

/** All lists of `size` corrections. */
function* lists(size, from = 0) {
  if (size === 0) yield [];
  for (let at = from; size > 0 && at < names.length; at += 1) {
    for (const rest of lists(size - 1, at + 1)) yield [names[at], ...rest];
  }
}

/** The shortest list of corrections with which the answer is ours. */
function explanation(question) {
  // What changes nothing by being left out is no part of it.
  const needed = names.filter((name) => answer(question, names.filter((other) => other !== name)) !== question.ours);
  if (answer(question, needed) === question.ours) return needed;
  for (const size of [1, 2, 3]) {
    for (const list of lists(size)) if (answer(question, list) === question.ours) return list;
  }
  return names;
}

let same = 0;
const [explained, unexplained] = [{}, []];
questions.forEach((question, number) => {
  const [theirs, corrected] = [answer(question, []), answer(question, names)];
  if (corrected !== question.ours) {
    unexplained.push({ number, theirs, corrected });
  } else if (theirs === question.ours) {
    same += 1;
  } else {
    const list = explanation(question).join(' and ');
    explained[list] = (explained[list] ?? 0) + 1;
  }
});
console.log(JSON.stringify({ same, explained, corrections: names, unexplained }));
