// Search over all that was found: what is said and shown, and the names of things; case, accents and punctuation do not matter.
const Search = (() => {
  const AT_MOST = 40;
  const BEFORE = 60;
  const AFTER = 120;
  const RUNNING = ['Speech', 'Captions']; // One text, cut into entries where somebody paused.
  const JOINED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
  const MARKS = /[\p{Script=Inherited}\p{Cf}]/gu;
  const BLANKS = /[\p{P}\p{Z}\p{Cc}]/gu;
  const known = new Map();
  const entries = [];
  const streams = new Map();

  // A character without case and accents, by its compatible decomposition: ß as ss, ﬁ as fi, ё as е, İ as i.
  function plain(c) {
    if (!known.has(c)) known.set(c, c.normalize('NFKD').toUpperCase().toLowerCase().normalize('NFKD').replace(MARKS, ''));
    return known.get(c);
  }

  // Folded text, in which one space stands for all that is no letter, number or sign, and where each of its units begins and
  // ends in the original: accents that stand as characters of their own belong to the letter before them.
  function fold(text) {
    const [units, starts, ends] = [[], [], []];
    let [at, gap] = [0, -1];
    for (const c of text) {
      const from = at;
      at += c.length;
      const folded = plain(c).replace(BLANKS, '');
      if (folded) {
        const apart = gap >= 0 && units.length && !(JOINED.test(units.at(-1)) && JOINED.test(folded));
        for (const unit of (apart ? ` ${folded}` : folded).split('')) {
          units.push(unit);
          starts.push(unit === ' ' ? gap : from);
          ends.push(unit === ' ' ? from : at);
        }
        gap = -1;
      } else if (plain(c)) gap = gap < 0 ? from : gap;
      else if (gap < 0 && ends.length) ends.fill(at, ends.indexOf(ends.at(-1)));
    }
    return { folded: units.join(''), starts, ends };
  }

  function add(kind, text, start, end, evidence, times) {
    if (text) entries.push({ kind, text, start, end, evidence, times, ...fold(text) });
  }

  function collect() {
    for (const s of FOUND.transcript) {
      let text = '';
      const times = [];
      for (const [start, , word, space] of s.words) {
        if (space && text) text += ' ';
        times.push([text.length, start]);
        text += word;
      }
      add('Speech', text || s.text, s.start_ms, s.end_ms, s.evidence, times);
    }
    for (const c of FOUND.captions) add('Captions', c.text, c.start_ms, c.end_ms, c.evidence);
    for (const k of FOUND.keywords) for (const [s, e] of k.spans) add('Key phrases', k.text, s, e, k.evidence);
    for (const t of FOUND.texts) add('On-screen text', t.text, t.start_ms, t.end_ms, t.evidence);
    for (const o of FOUND.objects) add('Objects', o.label, o.start_ms, o.end_ms, o.evidence);
    for (const f of FOUND.faces) add('Faces', f.emotion ? `face, ${f.emotion}` : 'face', f.start_ms, f.end_ms, f.evidence);
    for (const t of FOUND.turns) add('Speakers', `Speaker ${t.speaker}`, t.start_ms, t.end_ms, t.evidence);
    for (const s of FOUND.sounds) add('Sounds', s.label, s.start_ms, s.end_ms, s.evidence);
    for (const t of FOUND.tags) for (const [s, e] of t.spans) add('Tags', t.label, s, e, t.evidence);
    for (const m of FOUND.moderation?.spans || []) add('Moderation', m.label, m.start_ms, m.end_ms, m.evidence);
    for (const q of FOUND.quality) add('Picture quality', q.kind, q.start_ms, q.end_ms, q.evidence);
    for (const [s, e] of FOUND.loudness?.silence || []) add('Loudness', 'silence', s, e, FOUND.loudness.evidence);
    for (const c of FOUND.video.chapters) add('Chapters', c.title, c.start_ms, c.end_ms, c.evidence);
    for (const s of FOUND.scenes) add('Scenes', `Scene ${s.index + 1}`, s.start_ms, s.end_ms, s.evidence);
    for (const s of FOUND.shots) add('Shots', `Shot ${s.index + 1}`, s.start_ms, s.end_ms, s.evidence);
    for (const other of FOUND.others) for (const i of other.items) add(upper(other.component.replaceAll('_', ' ')), i.text, i.start_ms, i.end_ms, i.evidence);
    for (const kind of new Set(entries.map((e) => e.kind))) streams.set(kind, stream(kind));
  }

  const between = (before, after) => (JOINED.test(before.at(-1) || '') && JOINED.test(after[0] || '') ? '' : ' ');

  // The folded texts of a kind one after another, and which entry begins at which place. A line ends what does not run on.
  function stream(kind) {
    let text = '';
    const owners = [];
    for (const entry of entries.filter((e) => e.kind === kind)) {
      if (text) text += RUNNING.includes(kind) ? between(text, entry.folded) : '\n';
      owners.push([text.length, entry]);
      text += entry.folded;
    }
    return { text, owners };
  }

  function* places(text, wanted) {
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) yield at;
  }

  // Where the phrase stands, as hits: mostly within an entry, where people go on after a pause over several.
  function phrases({ text, owners }, phrase) {
    const found = new Map();
    for (const at of places(text, phrase)) {
      const end = at + phrase.length;
      const run = owners.slice(lastUpTo(owners, at, (o) => o[0]), lastUpTo(owners, end - 1, (o) => o[0]) + 1);
      const name = `${run[0][0]}-${run.length}`;
      if (!found.has(name)) found.set(name, { members: run.map((o) => o[1]), spans: [] });
      found.get(name).spans.push(...spansOver(run, at, end));
    }
    return [...found.values()].map(({ members, spans }) => hit(members, spans));
  }

  // [at, end) of a stream as spans of the texts of `run`, written one after another.
  function spansOver(run, at, end) {
    let before = '';
    return run.map(([start, entry]) => {
      if (before) before += between(before, entry.text);
      const [a, b] = [Math.max(at, start) - start, Math.min(end, start + entry.folded.length) - start];
      const span = [before.length + entry.starts[a], before.length + entry.ends[b - 1]];
      before += entry.text;
      return span;
    });
  }

  // Spans of the entry's text that the terms match, or null when one of them does not.
  function matched(entry, terms) {
    const spans = [];
    for (const term of terms) {
      const all = [...places(entry.folded, term)];
      if (!all.length) return null;
      spans.push(...all.map((at) => [entry.starts[at], entry.ends[at + term.length - 1]]));
    }
    return spans;
  }

  function hit(members, spans) {
    const [first] = members;
    const ordered = merged(spans);
    const i = first.times ? lastUpTo(first.times, ordered[0][0], (t) => t[0]) : -1;
    const text = members.reduce((all, m) => (all ? all + between(all, m.text) : '') + m.text, '');
    return { ...first, members, text, ms: i >= 0 ? first.times[i][1] : first.start, spans: ordered };
  }

  function merged(spans) {
    const made = [];
    for (const [s, e] of [...spans].sort((a, b) => a[0] - b[0])) {
      const last = made.at(-1);
      if (last && s <= last[1]) last[1] = Math.max(last[1], e);
      else made.push([s, e]);
    }
    return made;
  }

  // Whether people ask for all of a kind, as in "faces" or "speaker".
  const namesKind = (kind, phrase) => !RUNNING.includes(kind) && [fold(kind).folded, fold(kind).folded.replace(/s$/, '')].includes(phrase);

  // In quotation marks only the phrase itself; else also entries that have all of its words.
  function search(kind, phrase, exact) {
    if (!exact && namesKind(kind, phrase)) return entries.filter((e) => e.kind === kind).map((e) => ({ ...e, ms: e.start, spans: [] }));
    const found = phrases(streams.get(kind), phrase);
    const taken = new Set(found.flatMap((h) => h.members));
    const rest = exact ? [] : entries.filter((e) => e.kind === kind && !taken.has(e));
    const terms = phrase.split(' ');
    const loose = rest.map((e) => [e, matched(e, terms)]).filter(([, spans]) => spans);
    return [...found, ...loose.map(([e, spans]) => hit([e], spans))].sort((a, b) => a.ms - b.ms);
  }

  // The text around its marks: what stands far from them is left out.
  function marked(text, spans) {
    const parts = [];
    let at = 0;
    for (const [s, e] of spans) {
      parts.push(clipped(text.slice(at, s), at ? AFTER : 0, BEFORE), make('mark', {}, text.slice(s, e)));
      at = e;
    }
    return [...parts, clipped(text.slice(at), AFTER, 0)];
  }

  function clipped(text, head, tail) {
    if (text.length <= head + tail + 20) return text;
    const [start, end] = [text.slice(0, head), tail ? text.slice(-tail) : ''];
    return `${start.replace(/\S*$/, '') || start}…${end.replace(/^\S*/, '') || end}`;
  }

  function row(found) {
    const lasts = RUNNING.includes(found.kind) || found.end === found.start ? null : make('span', { class: 'num faint' }, spanLength(found.end - found.start));
    return make('li', {}, moment(found.ms, { class: 'hit', evidence: found.evidence }, make('span', { class: 'num t' }, clock(found.ms)), make('span', { class: 'text' }, marked(found.text, found.spans)), lasts));
  }

  function group(kind, hits) {
    const rest = hits.length - AT_MOST;
    return make(
      'div',
      {},
      make('h3', {}, kind, make('span', { class: 'faint num' }, String(hits.length))),
      make('ul', {}, hits.slice(0, AT_MOST).map(row), rest > 0 ? make('li', { class: 'none' }, `and ${rest.toLocaleString('en')} more: add a word to narrow it down`) : null),
    );
  }

  function run(query) {
    const phrase = fold(query).folded;
    const exact = /^\s*["“„«]/.test(query);
    const results = $('results');
    results.hidden = !phrase;
    $('transcript').hidden = !!phrase;
    const groups = phrase ? [...streams.keys()].map((kind) => [kind, search(kind, phrase, exact)]).filter(([, hits]) => hits.length) : [];
    const hits = groups.flatMap(([, all]) => all);
    tell('marks', hits.map((h) => h.ms));
    results.replaceChildren(...groups.map(([kind, all]) => group(kind, all)));
    if (phrase && !hits.length) results.append(make('p', { class: 'none' }, `Nothing found for “${query.trim()}”.`));
    $('say').textContent = phrase ? counted(hits.length, 'result') : '';
  }

  // From the field to the first result, and from one to the next.
  function step(event) {
    const way = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!way) return;
    const hits = [...$('results').querySelectorAll('.hit')];
    const next = hits.indexOf(document.activeElement) + way;
    event.preventDefault();
    if (next < 0) $('query').focus();
    else hits[next]?.focus();
  }

  function leave() {
    $('query').value = '';
    run('');
    $('query').blur();
  }

  return {
    focus() {
      $('query').focus();
      $('query').select();
    },
    start() {
      collect();
      $('query').addEventListener('input', () => run($('query').value));
      $('query').addEventListener('keydown', (event) => {
        if (event.key === 'Enter') $('results').querySelector('.hit')?.click();
      });
      for (const id of ['query', 'results']) $(id).addEventListener('keydown', (event) => (event.key === 'Escape' ? leave() : step(event)));
    },
  };
})();
