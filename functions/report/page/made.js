// What is missing and why, and how everything was made.
const Made = (() => {
  const WHY = { failed: 'Failed', blocked: 'Blocked', gaps: 'Has gaps', damaged: 'Damaged', no_stream: 'Not in the file', cancelled: 'Cancelled', range: 'Not asked for' };

  // A file of several recordings is as whole as they are.
  const JOINED = ['joined', 'clock'];
  const whyOf = ({ why }) => (why === 'damaged' && FOUND.video.damage.length && FOUND.video.damage.every((d) => JOINED.includes(d.kind)) ? 'Read in part' : WHY[why]);

  function lost(item) {
    const gaps = item.gaps.map(([s, e]) => moment(s, { class: 'num chip' }, `${clock(s)}–${clock(e)}`));
    return make(
      'div',
      { class: `lost ${item.why}` },
      make('div', {}, make('span', { class: `state ${item.why}` }, whyOf(item)), make('b', {}, ...concerned(item))),
      make('div', {}, make('p', {}, withCode(item.why === 'damaged' ? upper(item.reason) : item.reason), item.error_code ? make('span', { class: 'faint' }, ` (${item.error_code})`) : null), gaps.length ? make('p', {}, 'Not analysed: ', gaps) : null),
      make('p', { class: 'faint' }, withCode(item.what_to_do)),
    );
  }

  // What people miss, and in small the components that would have found it.
  function concerned({ components, why }) {
    if (!components.length) return ['The rest of the video'];
    if (why === 'damaged') return ['The file', make('small', { class: 'faint' }, components.join(', '))];
    const found = listed(components.filter((c) => DATA.kinds[c]).map(kindOf));
    const names = components.join(', ');
    return found && found !== names ? [upper(found), make('small', { class: 'faint' }, names)] : [found ? upper(names) : names];
  }

  // The question itself left these out, so nobody should look for them.
  function unasked() {
    const { left_out: kinds, narrowed, profile } = FOUND.asked;
    const why = narrowed ? 'The run was narrowed with `--only`.' : `The profile “${profile}” does not look for ${kinds.length > 1 ? 'these' : 'this'}.`;
    const all = narrowed ? 'Run it without `--only`, or name more.' : 'Run it with `--profile full` for everything.';
    return make(
      'div',
      { class: 'lost unasked' },
      make('div', {}, make('span', { class: 'state range' }, WHY.range), make('b', {}, 'Other findings')),
      make('div', {}, make('p', {}, `${upper(listed(kinds))}. `, ...withCode(why))),
      make('p', { class: 'faint' }, withCode(all)),
    );
  }

  function model(used) {
    const facts = [used.engine, used.precision].filter(Boolean).join(' · ');
    return make('div', { title: used.signature ? `signature ${used.signature}` : '' }, `${used.name}${used.version ? ` ${used.version}` : ''} `, make('span', { class: 'faint' }, facts));
  }

  function row(c) {
    const cell = (label, ...children) => make('td', { class: children[0] === '–' ? 'nil' : null, 'data-label': label }, ...children);
    const time = c.seconds >= 0.05 ? spanLength(c.seconds * 1000) : '< 0.1 s';
    const done = c.computed + c.cached ? `${c.computed} computed, ${c.cached} cached` : '–';
    return make(
      'tr',
      { id: `made-${c.name}` },
      make('th', { scope: 'row' }, c.name, make('span', { class: 'faint num' }, ` v${c.version}`)),
      cell('State', make('span', { class: `state ${c.state}` }, c.state)),
      cell('Models', c.models.length ? c.models.map(model) : '–'),
      cell('Tasks', done),
      cell('Time', c.seconds ? time : '–', c.device && c.seconds ? make('span', { class: 'faint' }, ` ${c.device}`) : null),
      cell('Key', c.results.length ? make('code', { title: c.results.map((r) => `${r.name}\nkey ${r.key}\nresult ${r.digest}`).join('\n\n') }, c.results[0].key.slice(0, 12)) : '–'),
    );
  }

  function table() {
    const body = make('tbody');
    let stage = '';
    for (const c of FOUND.run.components) {
      if (c.stage !== stage) body.append(make('tr', { class: 'stage' }, make('th', { colspan: 6, scope: 'rowgroup' }, c.stage)));
      stage = c.stage;
      body.append(row(c));
    }
    const heads = ['Component', 'State', 'Models', 'Tasks', 'Time', 'Key'].map((h) => make('th', { scope: 'col' }, h));
    return make('table', {}, make('thead', {}, make('tr', {}, heads)), body);
  }

  function keys() {
    const cells = (r) => [r.name, r.key, r.digest].map((text, i) => make('td', {}, i ? make('code', {}, text) : text));
    const rows = FOUND.run.components.flatMap((c) => c.results.map((r) => make('tr', {}, cells(r))));
    const head = make('thead', {}, make('tr', {}, ['Result', 'Key: what it was computed from', 'Digest: what it says'].map((h) => make('th', { scope: 'col' }, h))));
    return rows.length ? make('details', {}, make('summary', {}, 'All keys and digests'), make('div', { class: 'scroll' }, make('table', { class: 'keys' }, head, make('tbody', {}, rows)))) : null;
  }

  function pedigree() {
    const run = FOUND.run;
    const facts = [
      ['Video', FOUND.video.video_id], ['Run', run.run_id], ['Configuration', run.config_hash], ['Platform', run.platform_id],
      ['Kadr', `${run.kadr_version}, epoch ${run.epoch}, ${FOUND.schema_version && `insights ${FOUND.schema_version}`}`],
    ];
    return make('dl', { class: 'pedigree' }, facts.filter(([, v]) => v).map(([k, v]) => make('div', {}, make('dt', {}, k), make('dd', {}, v))));
  }

  return {
    start() {
      $('lost').append(...FOUND.missing.map(lost));
      if (!FOUND.missing.length) $('lost').append(make('p', { class: 'none' }, `Nothing that was asked for: every component did its work on the whole ${FOUND.video.picture ? 'video' : 'file'}.`));
      if (FOUND.asked.left_out.length) $('lost').append(unasked());
      $('making').append(make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Components' }, table()), ...[keys(), pedigree()].filter(Boolean));
    },
  };
})();
