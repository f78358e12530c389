// Lists of what was found: each row says what, how long, and where on the timeline.
const Lists = (() => {
  const AT_FIRST = 8;

  // A strip of the whole timeline with the spans on it.
  function strip(spans, tone) {
    const svg = drawing('svg', { viewBox: `0 0 1000 8`, preserveAspectRatio: 'none', class: 'strip', 'aria-hidden': 'true' });
    for (const [s, e] of spans.slice(0, 600)) {
      const [from, to] = [s, e].map((ms) => clamp(((ms - FROM) / SPAN) * 1000, 0, 1000));
      const size = Math.max(3, to - from);
      svg.append(drawing('rect', { x: Math.min(1000 - size, from), y: 0, width: size, height: 8, fill: `var(${tone})` }));
    }
    svg.addEventListener('click', (event) => {
      const area = svg.getBoundingClientRect();
      const ms = FROM + ((event.clientX - area.left) / area.width) * SPAN;
      const nearest = [...spans].sort((a, b) => away(a, ms) - away(b, ms))[0];
      Player.seek(ms >= nearest[0] && ms < nearest[1] ? ms : nearest[0]);
    });
    return svg;
  }

  const away = ([s, e], ms) => (ms < s ? s - ms : ms > e ? ms - e : 0);

  const often = (members, time) => (members.length > 1 ? `${members.length} × · ${spanLength(time)}` : spanLength(time));

  function row({ text, value, spans, tone, evidence, ms }) {
    const from = ms ?? spans[0]?.[0];
    const what = from === undefined ? make('span', { title: origin(evidence) }, text) : moment(from, { class: 'what', evidence }, text);
    return make('li', {}, what, make('span', { class: 'num faint' }, value), spans.length ? strip(spans, tone) : null);
  }

  function list(id, title, rows, note, values) {
    if (!rows.length && !note) return;
    const head = make('h3', {}, title, rows.length ? make('span', { class: 'faint num' }, rows.length.toLocaleString('en')) : null);
    const body = make('ul', {}, rows.slice(0, AT_FIRST).map(row));
    const section = make('div', { class: 'list', id }, head, body);
    if (rows.length > AT_FIRST) {
      const rest = make('button', { type: 'button', class: 'more' }, `${(rows.length - AT_FIRST).toLocaleString('en')} more`);
      rest.addEventListener('click', () => (body.append(...rows.slice(AT_FIRST, 500).map(row)), rest.remove()));
      section.append(rest);
    }
    if (values) section.append(values);
    if (note) section.append(make('p', { class: 'note' }, note));
    $('lists').append(section);
  }

  // Items grouped by `name`, the longest first.
  function grouped(items, name, tone, value) {
    const groups = new Map();
    for (const item of items) groups.set(name(item), [...(groups.get(name(item)) || []), item]);
    const rows = [...groups].map(([text, members]) => {
      const spans = members.map((m) => [m.start_ms, m.end_ms]);
      return { text, spans, tone: typeof tone === 'function' ? tone(text) : tone, time: covered(spans), evidence: members[0].evidence, value: value ? value(members, covered(spans)) : spanLength(covered(spans)) };
    });
    return rows.sort((a, b) => b.time - a.time);
  }

  function sound() {
    const loud = FOUND.loudness;
    const tones = { speech: '--lane-speech', music: '--lane-music', noise: '--lane-noise', silence: '--lane-quiet' };
    const minus = (v, digits = 1) => v.toFixed(digits).replace('-', '−');
    const facts = [
      loud?.integrated_lufs != null && `${minus(loud.integrated_lufs)} LUFS integrated`,
      loud?.range_lu != null && `range ${minus(loud.range_lu)} LU`,
      loud?.true_peak_dbtp != null && `true peak ${minus(loud.true_peak_dbtp)} dBTP`,
      loud?.silence.length && `${counted(loud.silence.length, 'silence')}`,
    ].filter(Boolean);
    const heard = grouped(FOUND.sounds, (s) => s.label, (t) => tones[t] || '--lane-noise');
    for (const row of heard) if (row.text === 'speech') row.text = 'speech, with its pauses';
    list('sound', 'Sound', heard, facts.length ? `${facts.join(' · ')} (EBU R128).` : '');
  }

  // Above the threshold, but not for long enough to be marked.
  const flash = (top) => `No label stays above the threshold; the highest single frame has ${top.score.toFixed(2)} (${top.label}, at ${clock(top.at_ms)}). `;

  function marks() {
    const found = FOUND.moderation;
    if (!found) return;
    const raised = found.peaks.filter((p) => found.spans.some((s) => s.label === p.label));
    const rows = raised.map((p) => {
      const spans = found.spans.filter((s) => s.label === p.label).map((s) => [s.start_ms, s.end_ms]);
      return { text: p.label, value: p.score.toFixed(2), spans, tone: '--lane-marks', ms: p.at_ms, evidence: found.evidence };
    });
    const top = found.peaks.filter((p) => p.label !== 'Neutral' && p.label !== 'Drawing').sort((a, b) => b.score - a.score)[0];
    const quiet = rows.length || !top ? '' : top.score >= (found.threshold ?? Infinity) ? flash(top) : `Nothing above the threshold; the highest single frame has ${top.score.toFixed(2)}. `;
    list('marks', 'Moderation', rows, `${quiet}Scores, not verdicts: the model errs on sport, bare skin and animation, and nothing is blocked by it.`);
  }

  // What a component found that somebody added: its items by their text, its series, and the rest as it stands.
  function added(other) {
    const items = grouped(other.items, (i) => i.text || factsOf(i.facts) || 'found', '--lane-other', often).sort((a, b) => a.spans[0][0] - b.spans[0][0]);
    const series = other.series.map((s) => ({ text: s.name.replaceAll('_', ' '), value: s.least === s.most ? shown(s.mean) : `${shown(s.least)} to ${shown(s.most)}, mean ${shown(s.mean)}`, spans: [], evidence: other.evidence }));
    const rest = Object.entries({ ...other.values, ...other.arrays });
    const values = rest.length ? make('dl', { class: 'values' }, rest.map(([k, v]) => make('div', {}, make('dt', {}, k.replaceAll('_', ' ')), make('dd', {}, brief(shown(v)))))) : null;
    const left = other.items_in_all - other.items.length;
    const nothing = !items.length && !series.length && !values ? 'Nothing found. ' : '';
    list(`added-${other.component}`, upper(other.component.replaceAll('_', ' ')), [...series, ...items], `${nothing}${left ? `${left.toLocaleString('en')} more are in the result. ` : ''}As the added component “${other.component}” made it.`, values);
  }

  const brief = (text) => (text.length > 300 ? `${text.slice(0, 298)}…` : text);

  return {
    start() {
      list('texts', 'On-screen text', grouped(FOUND.texts, (t) => t.text, '--lane-text', often).sort((a, b) => a.spans[0][0] - b.spans[0][0]));
      list('objects', 'Objects', grouped(FOUND.objects, (o) => o.label, '--lane-objects', often));
      list('keywords', 'Key phrases', FOUND.keywords.map((k) => ({ text: k.text, value: k.score.toFixed(2), spans: k.spans, tone: '--accent', evidence: k.evidence })));
      list('tags', 'Tags', FOUND.tags.map((t) => ({ text: t.label, value: t.score.toFixed(2), spans: t.spans, tone: '--lane-tags', evidence: t.evidence })));
      list('speakers', 'Speakers', grouped(FOUND.turns, (t) => t.speaker, voice), FOUND.turns.length ? 'Their turns, with the pauses within.' : '');
      list('faces', 'Faces', grouped(FOUND.faces, (f) => f.emotion || 'face', '--lane-faces', often));
      sound();
      marks();
      list('quality', 'Picture quality', grouped(FOUND.quality, (q) => q.kind, '--lane-quality', often));
      FOUND.others.forEach(added);
      $('found').hidden = !$('lists').childElementCount;
    },
  };
})();
