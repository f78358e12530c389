// Search over speech, on-screen text, objects, tags, key phrases and captions; case and accents do not matter.
const Search = (() => {
  const AT_MOST = 40;
  const entries = [];
  let marks = [];

  // Folded text and, for each of its characters, where it stands in the original.
  function fold(text) {
    let folded = '';
    const places = [];
    for (let i = 0; i < text.length; i++) {
      for (const c of text[i].normalize('NFD').replace(/\p{M}/gu, '').toLowerCase()) {
        folded += c;
        places.push(i);
      }
    }
    return { folded, places: [...places, text.length] };
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
    for (const k of FOUND.keywords) for (const [s, e] of k.spans) add('Key phrases', k.text, s, e, k.evidence);
    for (const t of FOUND.texts) add('On-screen text', t.text, t.start_ms, t.end_ms, t.evidence);
    for (const o of FOUND.objects) add('Objects', o.label, o.start_ms, o.end_ms, o.evidence);
    for (const t of FOUND.tags) for (const [s, e] of t.spans) add('Tags', t.label, s, e, t.evidence);
    for (const c of FOUND.captions) add('Captions', c.text, c.start_ms, c.end_ms, c.evidence);
  }

  // Spans [from, to) of the original text that the terms match, or null when one of them does not.
  function matched(entry, terms) {
    const spans = [];
    for (const term of terms) {
      let at = entry.folded.indexOf(term);
      if (at < 0) return null;
      for (; at >= 0; at = entry.folded.indexOf(term, at + term.length)) {
        spans.push([entry.places[at], entry.places[at + term.length - 1] + 1]);
      }
    }
    return spans.sort((a, b) => a[0] - b[0]);
  }

  function marked(text, spans) {
    const from = Math.max(0, spans[0][0] - 60);
    const parts = [from ? '…' : ''];
    let at = from;
    for (const [s, e] of spans) {
      if (s < at) continue;
      parts.push(text.slice(at, s), make('mark', {}, text.slice(s, e)));
      at = e;
    }
    const rest = text.slice(at);
    parts.push(rest.length > 120 ? `${rest.slice(0, 118)}…` : rest);
    return parts;
  }

  function hit(entry, spans) {
    const i = entry.times ? lastUpTo(entry.times, spans[0][0], (t) => t[0]) : -1;
    const ms = i >= 0 ? entry.times[i][1] : entry.start;
    return { ...entry, ms, spans };
  }

  function row(found) {
    return make('li', {}, moment(found.ms, { class: 'hit', evidence: found.evidence }, make('span', { class: 'num t' }, clock(found.ms)), make('span', {}, marked(found.text, found.spans))));
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
    const terms = fold(query).folded.split(/\s+/).filter(Boolean);
    const results = $('results');
    results.hidden = !terms.length;
    $('transcript').hidden = terms.length > 0;
    const hits = terms.length ? entries.map((e) => [e, matched(e, terms)]).filter(([, s]) => s?.length).map(([e, s]) => hit(e, s)) : [];
    marks = hits.map((h) => h.ms);
    tell('marks', marks);
    const kinds = new Map();
    for (const h of hits) kinds.set(h.kind, [...(kinds.get(h.kind) || []), h]);
    results.replaceChildren(...[...kinds].map(([kind, list]) => group(kind, list)));
    if (terms.length && !hits.length) results.append(make('p', { class: 'none' }, `Nothing found for “${query.trim()}”.`));
    $('say').textContent = terms.length ? counted(hits.length, 'result') : '';
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
        if (event.key === 'Escape') {
          $('query').value = '';
          run('');
          $('query').blur();
        }
      });
    },
  };
})();
