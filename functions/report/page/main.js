// The head of the page, its keys, its theme, and the start of everything.
const Page = (() => {
  const STATUS = { complete: 'Complete', partial: 'Partial', failed: 'Failed', cancelled: 'Cancelled' };
  const THEMES = ['auto', 'light', 'dark'];
  const ICONS = {
    auto: 'M8 1.5a6.5 6.5 0 1 0 0 13zM8 0a8 8 0 1 1 0 16A8 8 0 0 1 8 0z',
    light: 'M8 4.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM7.3 0h1.4v2.6H7.3zM7.3 13.4h1.4V16H7.3zM0 7.3h2.6v1.4H0zM13.4 7.3H16v1.4h-2.6zM2 3l1-1 1.9 1.9-1 1zM11.1 12.1l1-1L14 13l-1 1zM2 13l1.9-1.9 1 1L3 14zM11.1 3.9 13 2l1 1-1.9 1.9z',
    dark: 'M6.2 1.2A6.9 6.9 0 1 0 14.8 9.8 5.6 5.6 0 0 1 6.2 1.2z',
  };

  function phrase(p) {
    if (p.start_ms !== null) {
      const link = make('a', { href: `#t=${(p.start_ms / 1000).toFixed(2)}`, title: origin(p.evidence) }, p.text);
      link.addEventListener('click', (event) => (event.preventDefault(), goTo(p.start_ms, p.evidence)));
      return link;
    }
    return p.target ? make('a', { href: `#${p.target}`, title: origin(p.evidence) }, p.text) : withCode(p.text);
  }

  function head() {
    const title = FOUND.video.title || 'Untitled video';
    document.title = `${title} · Kadr`;
    $('title').textContent = title;
    $('title').title = title;
    const holes = FOUND.missing.filter((m) => !['no_stream', 'range', 'damaged'].includes(m.why)).flatMap((m) => m.components).filter((c) => DATA.kinds[c]);
    const count = new Set(holes).size;
    $('status').textContent = STATUS[FOUND.status] + (count && FOUND.status !== 'failed' ? ` · ${count} missing` : '');
    $('status').classList.add(FOUND.status);
    const damaged = FOUND.missing.some((m) => m.why === 'damaged');
    if (damaged && FOUND.status === 'complete') {
      const kinds = FOUND.video.damage.map((d) => d.kind);
      const what = kinds.includes('cut_off') ? 'file cut off' : kinds.includes('joined') ? 'not all recordings of the file' : 'file damaged';
      $('status').textContent += ` · ${what}`;
      $('status').classList.add('damaged');
    }
    for (const s of FOUND.summary) {
      if (s.kind === 'found') $('summary').append(make('span', { class: 'sentence' }, s.phrases.map(phrase)), ' ');
      else $('first').append(make('p', { class: `first ${s.kind}` }, s.phrases.map(phrase).flat()));
    }
    const video = FOUND.video;
    const { asked } = FOUND;
    $('first').classList.add(FOUND.status);
    const picture = video.picture;
    const facts = [
      NOTHING ? null : ['Length', asked.whole ? spanLength(video.duration_ms) : `${spanLength(SPAN)}: ${border(FROM)}–${border(TO)} of ${clock(video.duration_ms)}`],
      picture && ['Picture', `${picture.width} × ${picture.height}${picture.fps ? `, ${Number(picture.fps.toFixed(2))} fps${picture.fps_varies ? ' on average' : ''}` : ''}, ${picture.codec}${picture.hdr ? ', HDR' : ''}`],
      video.sound.length && ['Sound', soundOf(video.sound)],
      FOUND.captions_from && ['Captions', captionsOf(FOUND.captions_from)],
      video.size_bytes && ['File', `${container()}${bytes(video.size_bytes)}`],
      ['Analysed', new Date(FOUND.run.created_ms).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' })],
    ];
    $('facts').append(...facts.filter(Boolean).map(([k, v]) => make('div', {}, make('dt', {}, k), make('dd', {}, v))));
    const told = new Set(FOUND.missing.map((m) => m.reason));
    for (const warning of video.warnings.filter((w) => !told.has(w))) $('facts').append(make('div', { class: 'warning' }, make('dt', {}, 'Note'), make('dd', {}, upper(warning))));
  }

  // What was listened to; of several, which.
  function soundOf(streams) {
    const one = streams.find((s) => s.heard) || streams[0];
    const which = streams.length < 2 ? '' : one.heard ? `; stream ${one.index} of ${streams.length} with sound was heard` : `; ${streams.length} streams`;
    return `${one.codec}, ${counted(one.channels, 'channel')}${one.language ? `, ${one.language}` : ''}${which}`;
  }

  // Whence they are, and what of them was left out.
  function captionsOf({ source, file, left_out }) {
    const [kind, stream] = (source || '').split(':');
    const whence = { sidecar: file ? `from ${file}` : 'from the file beside the video', embedded: `in the video, stream ${stream}` }[kind];
    return [whence, left_out && `left out: ${left_out}`].filter(Boolean).join('; ');
  }

  // FFmpeg names all that one reader reads, "mov,mp4,m4a,…"; the file's own ending says which of them it is.
  function container() {
    const known = (FOUND.video.container || '').split(',');
    const own = FOUND.video.title.toLowerCase().split('.').at(-1);
    const name = known.includes(own) ? own : known.includes('mp4') ? 'mp4' : known[0];
    return name ? `${name.toUpperCase()}, ` : '';
  }

  function bytes(n) {
    const units = ['B', 'kB', 'MB', 'GB', 'TB'];
    const i = clamp(Math.floor(Math.log10(Math.max(1, n)) / 3), 0, 4);
    return `${(n / 1000 ** i).toFixed(n / 1000 ** i < 10 && i ? 1 : 0)} ${units[i]}`;
  }

  function nav() {
    for (const [id, name] of [['timeline', 'Timeline'], ['frames', 'Key frames'], ['found', 'Found'], ['missing', 'Missing'], ['made', 'Made']]) {
      if (!$(id).hidden) $('nav').append(make('a', { href: `#${id}` }, name));
    }
  }

  function remembered(value) {
    try {
      if (value) localStorage.setItem('kadr-theme', value);
      return localStorage.getItem('kadr-theme');
    } catch {
      return null; // Some browsers give pages from files no storage.
    }
  }

  function theme(name) {
    if (name === 'auto') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = name;
    $('theme').replaceChildren(icon(ICONS[name]));
    $('theme').setAttribute('aria-label', `Theme: ${name}`);
    $('theme').title = `Theme: ${name}`;
    $('theme').dataset.now = name;
    Timeline.repaint();
  }

  // Paper is light, and canvases keep the colours in which they were drawn.
  function paper() {
    const root = document.documentElement;
    let before;
    addEventListener('beforeprint', () => {
      before = root.dataset.theme;
      root.dataset.theme = 'light';
      Timeline.repaint(true);
    });
    addEventListener('afterprint', () => theme(before || 'auto'));
  }

  function jump(direction) {
    const i = shotAt(Player.now);
    const back = direction < 0 && FOUND.shots[i] && Player.now - FOUND.shots[i].start_ms > 800 ? 0 : direction;
    const shot = FOUND.shots[clamp(i + back, 0, FOUND.shots.length - 1)];
    if (shot) goTo(shot.start_ms, shot.evidence);
  }

  // Every key that the page answers to, as the dialog lists them; `on`: where, if not everywhere.
  const EVERYWHERE = [
    { keys: [' '], shown: ['Space'], what: 'Play or pause', act: () => Player.toggle() },
    { keys: ['ArrowLeft', 'ArrowRight'], shown: ['←', '→'], what: '5 seconds back or on', act: ({ key }) => Player.nudge(key === 'ArrowLeft' ? -5000 : 5000) },
    { keys: ['ArrowLeft', 'ArrowRight'], shift: true, shown: ['Shift ←', 'Shift →'], what: 'Shot before or after', act: ({ key }) => jump(key === 'ArrowLeft' ? -1 : 1) },
    { keys: ['/'], shown: ['/'], what: 'Search', act: () => Search.focus() },
    { keys: ['c'], shown: ['c'], what: 'Captions on or off', act: () => Player.captions() },
    { keys: ['+', '='], shown: ['+'], what: 'Zoom into the timeline', act: () => Timeline.zoom(0.5) },
    { keys: ['-'], shown: ['−'], what: 'Zoom out', act: () => Timeline.zoom(2) },
    { keys: ['0'], shown: ['0'], what: 'The whole timeline', act: () => Timeline.whole() },
    { keys: ['?'], shown: ['?'], what: 'These keys', act: () => $('shortcuts').showModal() },
  ];
  const ON_SLIDERS = [
    { keys: ['Home'], act: () => Player.seek(FROM) },
    { keys: ['End'], act: () => Player.seek(TO) },
    { keys: ['PageUp'], act: () => Player.nudge(SPAN / 20) },
    { keys: ['PageDown'], act: () => Player.nudge(-SPAN / 20) },
  ];
  const ELSEWHERE = [
    { shown: ['Home', 'End'], what: 'To the beginning or the end, on the timeline or the position bar' },
    { shown: ['Page Up', 'Page Down'], what: 'A twentieth on or back, there as well' },
    { shown: ['Enter'], what: 'In the search: to the first result' },
    { shown: ['↓', '↑'], what: 'In the search: from result to result' },
    { shown: ['Esc'], what: 'Leave the search, or this list' },
  ];

  function keys(event) {
    const { target, key } = event;
    const slider = target === $('lanes') || target === $('scrub');
    if (event.ctrlKey || event.metaKey || event.altKey || $('shortcuts').open) return;
    if (!slider && target.closest?.('input, select, textarea')) return;
    if (key === ' ' && target.closest?.('button, a, label, summary')) return;
    if (key.startsWith('Arrow') && target.closest?.('.scroll')) return;
    const meant = (k) => k.keys.includes(key) && (!key.startsWith('Arrow') || !!k.shift === event.shiftKey);
    const found = [...EVERYWHERE, ...(slider ? ON_SLIDERS : [])].find(meant);
    if (!found) return;
    event.preventDefault();
    found.act(event);
  }

  function shortcuts() {
    const row = ({ shown, what }) => make('div', {}, make('dt', {}, shown.map((k) => make('kbd', {}, k))), make('dd', {}, what));
    $('keys').append(...[...EVERYWHERE, ...ELSEWHERE].map(row));
    $('help').addEventListener('click', () => $('shortcuts').showModal());
    $('shortcuts').addEventListener('click', (event) => event.target === $('shortcuts') && $('shortcuts').close());
  }

  function fromHash() {
    const wanted = /^#t=([\d.]+)$/.exec(location.hash);
    if (wanted) Player.seek(Number(wanted[1]) * 1000);
  }

  // Out of sight the player stays at hand in a corner.
  function dock() {
    const seen = new IntersectionObserver(([entry]) => {
      const away = !entry.isIntersecting && entry.boundingClientRect.bottom < 0;
      if (away) $('watch').style.minHeight = `${$('watch').offsetHeight}px`;
      else $('watch').style.minHeight = '';
      $('dock').classList.toggle('away', away);
    });
    seen.observe($('watch'));
  }

  return {
    start() {
      head();
      Player.start();
      Transcript.start();
      Frames.start();
      Lists.start();
      Made.start();
      Search.start();
      for (const id of ['player', 'timeline']) $(id).hidden = NOTHING;
      document.body.classList.toggle('nothing', NOTHING);
      nav();
      Timeline.start();
      theme(THEMES.includes(remembered()) ? remembered() : 'auto');
      $('theme').addEventListener('click', () => {
        const next = THEMES[(THEMES.indexOf($('theme').dataset.now) + 1) % THEMES.length];
        remembered(next);
        theme(next);
      });
      matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => Timeline.repaint());
      paper();
      shortcuts();
      addEventListener('keydown', keys);
      addEventListener('hashchange', fromHash);
      dock();
      fromHash();
      Player.nudge(0);
    },
  };
})();
Page.start();
