// Data, elements and small words that every part uses. Texts of the video enter the page only as text nodes.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const DATA = { ...read('data'), ...read('pictures') };
const FOUND = DATA.insights;
// The part of the video that the run was asked about: all that the page draws lies in it.
const FROM = FOUND.asked.start_ms;
const TO = Math.max(FROM + 1, FOUND.asked.end_ms);
const SPAN = TO - FROM;
// Whether not even the file's length is known, so that there is nothing to play and no time to show.
const NOTHING = !FOUND.asked.end_ms;
const $ = (id) => document.getElementById(id);
const bus = new EventTarget();
const tell = (name, detail) => bus.dispatchEvent(new CustomEvent(name, { detail }));
const hear = (name, act) => bus.addEventListener(name, (event) => act(event.detail));
const calm = matchMedia('(prefers-reduced-motion: reduce)');
const SVG = 'http://www.w3.org/2000/svg';
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function make(tag, props, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === 'on') for (const [event, act] of Object.entries(value)) element.addEventListener(event, act);
    else if (name === 'css') for (const [key, v] of Object.entries(value)) element.style.setProperty(key, v);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== ''));
  return element;
}

function drawing(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

function icon(path) {
  return drawing('svg', { viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true' }, drawing('path', { d: path, fill: 'currentColor' }));
}

function clock(ms, tenths) {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const two = (n) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  return tenths ? `${text}.${Math.floor((ms % 1000) / 100)}` : text;
}

// A point that somebody named, with tenths where it has any.
const border = (ms) => clock(ms, ms % 1000 >= 100);

function spanLength(ms) {
  if (ms < 9950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`;
  const s = ms >= 60000 ? Math.floor(ms / 1000) : Math.round(ms / 1000); // As the clock says it, and words.py.
  const minutes = Math.floor(s / 60) % 60;
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${minutes} min${s % 60 ? ` ${s % 60} s` : ''}`;
  return `${Math.floor(s / 3600)} h${minutes ? ` ${minutes} min` : ''}`;
}

// Text in which `commands` stand between backticks.
const withCode = (text) => text.split('`').map((part, i) => (i % 2 ? make('code', {}, part) : part));

const counted = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`;

function covered(spans) {
  let total = 0;
  let reached = -1;
  for (const [s, e] of [...spans].sort((a, b) => a[0] - b[0])) {
    total += Math.max(0, e - Math.max(s, reached));
    reached = Math.max(reached, e);
  }
  return total;
}

// Position of the last value that is not above `wanted` in ascending `values`, or -1.
function lastUpTo(values, wanted, of = (v) => v) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(values[middle]) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

const COMPONENTS = new Map(FOUND.run.components.map((c) => [c.name, c]));
// Why a component's results are not there, or not whole: of several reasons the first, which is the gravest.
const LOST = new Map(FOUND.missing.flatMap((m) => m.components.map((name) => [name, m])).reverse());
const OTHERS = new Map(FOUND.others.map((o) => [o.component, o]));

// What a component finds, as people call it; those that others stand on have only their names.
const kindOf = (component) => DATA.kinds[component] || component;
const listed = (names) => [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' and ');
const upper = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// A value out of a result that nothing is known about.
function shown(value) {
  if (Array.isArray(value)) return value.map(shown).join(', ');
  if (value && typeof value === 'object') return Object.entries(value).map(([k, v]) => `${k} ${shown(v)}`).join(', ');
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4))).replace('-', '−');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
const factsOf = (facts) => Object.entries(facts).map(([k, v]) => `${k.replaceAll('_', ' ')} ${shown(v)}`).join(' · ');

// "objects · item 12 · result 3f2a91c0": where a statement comes from.
function origin(evidence) {
  if (!evidence) return '';
  const [name, index] = evidence;
  const results = COMPONENTS.get(name)?.results || [];
  const digest = (results.find((r) => r.name === name) || results[0])?.digest || '';
  return [name, index === null ? null : `item ${index}`, digest && `result ${digest.slice(0, 8)}`].filter(Boolean).join(' · ');
}

const NAMES = [...FOUND.speakers.map((s) => s.name)].sort();
const voice = (name) => (name && NAMES.includes(name) ? `--voice-${(NAMES.indexOf(name) % 8) + 1}` : '--lane-speech');

const PICTURES = [
  ...DATA.story.map(([ms, data]) => ({ ms, data })),
  ...DATA.keyframes.map((data, i) => ({ ms: FOUND.key_frames[i].start_ms, data, shot: i })).filter((p) => p.data),
].sort((a, b) => a.ms - b.ms);
const source = (picture) => `data:image/jpeg;base64,${picture.data}`;

function pictureAt(ms, among = PICTURES) {
  if (!among.length) return null;
  const i = lastUpTo(among, ms, (p) => p.ms);
  const before = among[Math.max(0, i)];
  const after = among[Math.min(among.length - 1, i + 1)];
  return Math.abs(after.ms - ms) < Math.abs(ms - before.ms) ? after : before;
}

// Width by height of what is shown of the video in small; even a very narrow or wide picture is whole within.
const SHAPE = FOUND.video.picture ? clamp(FOUND.video.picture.width / FOUND.video.picture.height, 0.5, 2.4) : 16 / 9;
document.documentElement.style.setProperty('--shape', SHAPE.toFixed(4));

const STARTS = FOUND.shots.map((s) => s.start_ms);
const shotAt = (ms) => lastUpTo(STARTS, ms);

// Anything with a moment: seeks there and marks the evidence on the timeline.
function goTo(ms, evidence) {
  Player.seek(ms);
  tell('picked', { ms, evidence });
}

function moment(ms, props, ...children) {
  const { evidence, ...rest } = props || {};
  return make('button', { type: 'button', title: origin(evidence), ...rest, on: { click: () => goTo(ms, evidence) } }, ...children);
}
