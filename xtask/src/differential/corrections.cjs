// Where targaryen is known to differ, each by name: what it has to do instead, by the source that docs/rules-language.md
// gives under that name. Only those that are active do anything.

const { join } = require('node:path');

module.exports = (library) => {
  const load = (name) => require(join(library, 'lib', name));
  const parser = load('parser');
  const types = load('parser/types');
  const strings = load('parser/string-methods');
  const queries = load('database/query');
  const targaryen = require(library);
  const { Node, ParseError } = load('parser/statement/base');

  const names = [];
  const active = new Set();
  /** Puts something in the place of a method while a correction of that name is active. */
  const correct = (name, object, method, corrected) => {
    if (!names.includes(name)) names.push(name);
    const original = object[method];
    object[method] = function (...given) {
      return active.has(name) ? corrected.call(this, original, ...given) : original.apply(this, given);
    };
  };

  const made = (text) => parser.parse(text, [], true).root.expression;
  const Logical = made('true && true').constructor;
  const Unary = made('!true').constructor;
  const Conditional = made('true ? true : true').constructor;
  const Binary = made('1 == 1').constructor;
  const Literal = made('true').constructor;
  const Member = made('root.exists()').callee.constructor;
  const database = targaryen.database({ rules: {} }, null, 0);
  const Snapshot = database.snapshot('/').constructor;
  const Ruleset = database.rules.constructor;
  const fail = (node, why) => {
    throw new ParseError(node, why);
  };
  const isOrder = (operator) => ['<', '<=', '>', '>='].includes(operator);

  // What may turn out to be a boolean may stand where one has to, and has to be one when it is evaluated.
  const KNOWN_LATE = 'boolean-when-evaluated';
  const mayBeBoolean = (node) => {
    if (node instanceof Conditional) return mayBeBoolean(node.consequent) && mayBeBoolean(node.alternate);
    if (node instanceof Binary && node.operator === '+') return false;
    return types.isBoolean(node.inferredType) || types.isFuzzy(node.inferredType);
  };
  const hasToBe = (...nodes) => nodes.every(mayBeBoolean) || fail(nodes[0], 'has to be a boolean');
  const boolean = (node, state) => {
    const value = node.evaluate(state);
    return typeof value === 'boolean' ? value : fail(node, 'is no boolean');
  };
  correct(KNOWN_LATE, Logical.prototype, 'inferType', function () {
    hasToBe(this.left, this.right);
    return 'boolean';
  });
  correct(KNOWN_LATE, Logical.prototype, 'evaluate', function (original, state) {
    const isLeft = boolean(this.left, state);
    return isLeft === (this.operator === '||') ? isLeft : boolean(this.right, state);
  });
  correct(KNOWN_LATE, Unary.prototype, 'inferType', function (original, scope) {
    if (this.operator !== '!') return original.call(this, scope);
    hasToBe(this.argument);
    return 'boolean';
  });
  correct(KNOWN_LATE, Unary.prototype, 'evaluate', function (original, state) {
    return this.operator === '!' ? !boolean(this.argument, state) : original.call(this, state);
  });
  correct(KNOWN_LATE, Conditional.prototype, 'inferType', function () {
    hasToBe(this.test);
    const [yes, no] = [this.consequent.inferredType, this.alternate.inferredType];
    if (yes === no) return yes;
    return types.isPrimitive(yes) && types.isPrimitive(no) ? 'primitive' : 'any';
  });
  correct(KNOWN_LATE, Conditional.prototype, 'evaluate', function (original, state) {
    return (boolean(this.test, state) ? this.consequent : this.alternate).evaluate(state);
  });
  // A whole rule is an operand then.
  correct(KNOWN_LATE, parser, 'parse', (original, rule, ...rest) => original(`(${rule}\n) && true`, ...rest));

  // A choice is of the kinds of both sides, and of no other.
  const CHOICE = 'kinds-of-a-choice';
  const kinds = (type) => type.split('|');
  const isUnion = (type) => typeof type === 'string' && type.includes('|');
  correct(CHOICE, Conditional.prototype, 'inferType', function (original, scope) {
    const sides = [this.consequent.inferredType, this.alternate.inferredType];
    const type = original.call(this, scope);
    const isPlain = sides.every((side) => typeof side === 'string' && !['any', 'primitive'].includes(side));
    return isPlain && sides[0] !== sides[1] ? [...new Set(sides.flatMap(kinds))].join('|') : type;
  });
  correct(CHOICE, Node.prototype, 'assertType', function (original, type, allowed, options) {
    if (!isUnion(type)) return original.call(this, type, allowed, options);
    const among = kinds(type).filter((kind) => [].concat(allowed).includes(kind));
    const fits = options?.mustComply ? among.length === kinds(type).length : among.length > 0;
    return fits ? false : fail(this, options?.msg);
  });
  correct(CHOICE, types, 'isPrimitive', (original, type) => (isUnion(type) ? kinds(type).every(original) : original(type)));
  correct(CHOICE, types, 'isFuzzy', (original, type) => isUnion(type) || original(type));

  // What an operator cannot be used with is an error when it is evaluated.
  const OPERANDS = 'operands-when-evaluated';
  correct(OPERANDS, Binary.prototype, 'inferType', function (original, scope) {
    const [left, right] = [this.left.inferredType, this.right.inferredType];
    if (isOrder(this.operator)) {
      this.assertBranchTypes(left, right, Binary.comparisonTypes);
      return 'boolean';
    }
    if (this.operator !== '+') return original.call(this, scope);
    this.assertBranchTypes(left, right, ['string', 'number', 'boolean', 'null']);
    if (types.isString(left) || types.isString(right)) return 'string';
    return types.isNumber(left) && types.isNumber(right) ? 'number' : 'primitive';
  });

  correct('order-of-nulls', Binary.prototype, 'evaluateWith', function (original, state, left, right) {
    if (isOrder(this.operator) && left === null) fail(this, 'null has no order');
    return original.call(this, state, left, right);
  });

  // Whatever it is asked of.
  correct('length-of-strings', Member.prototype, 'inferType', function (original, scope) {
    return !this.computed && this.property.name === 'length' ? 'number' : original.call(this, scope);
  });
  correct('length-of-strings', Member.prototype, 'evaluateWith', function (original, state, object, key) {
    if (key === 'length' && typeof object !== 'string') fail(this, 'only strings have a length');
    return original.call(this, state, object, key);
  });

  // A name that is computed is a string, or a place in a list.
  correct('names-of-members', Member.prototype, 'inferType', function (original, scope) {
    if (this.computed) this.assertType(this.property.inferredType, ['string', 'number']);
    return original.call(this, scope);
  });

  correct('names-of-members', Member.prototype, 'evaluateWith', function (original, state, object, key) {
    if (!['string', 'number'].includes(typeof key)) fail(this, 'is no name of a member');
    return original.call(this, state, object, key);
  });

  // All of them have to be strings, whichever is there.
  correct('names-of-children', Snapshot.prototype, 'hasChildren', function (original, list) {
    if (list?.some((name) => typeof name !== 'string')) throw new Error('is no name of a child');
    return original.call(this, list);
  });

  correct('ends-with', strings, 'endsWith', (original, text, end) => {
    return typeof end === 'string' ? text.endsWith(end) : original(text, end);
  });

  const EMPTY_PATH = 'empty-path';
  correct(EMPTY_PATH, Snapshot.prototype, 'child', function (original, path) {
    return path === '' ? this : original.call(this, path);
  });
  correct(EMPTY_PATH, Snapshot.prototype, 'hasChild', function (original, path) {
    return path === '' ? this.exists() : original.call(this, path);
  });

  // It comes as a range, and cannot be told from one.
  correct('range-of-equal-to', queries, 'create', (original, query) => {
    const value = query?.equalTo;
    return original(value === undefined ? query : { startAt: value, endAt: value, ...query });
  });

  correct('query-in-writes', Ruleset, 'evaluate', (original, options) => {
    original({ ...options, state: { query: queries.create(), ...options.state } });
  });

  // Each of them is null if the query does not say it.
  const { properties } = Member;
  const nullable = ['orderByChild', 'limitToFirst', 'limitToLast'].map((name) => [name, 'primitive']);
  const Query = { ...properties.Query, ...Object.fromEntries(nullable) };
  names.push('query-without-limits');
  Object.defineProperty(Member, 'properties', {
    get: () => (active.has('query-without-limits') ? { ...properties, Query } : properties),
  });

  correct('empty-pattern', Literal, 'regExp', (original, raw) => {
    const [, flags] = /^\/\^\$\/(i?)$/.exec(raw) ?? [];
    return flags === undefined ? original(raw) : new RegExp('^$', flags);
  });

  return { names, active };
};
