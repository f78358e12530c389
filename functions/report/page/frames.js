// Key frames by scene and shot.
const Frames = (() => {
  const AT_FIRST = 30;
  const cards = new Map();
  let current = -1;

  function card(shot) {
    const frame = FOUND.key_frames[shot.index];
    const own = DATA.keyframes[shot.index];
    const picture = own ? { data: own } : pictureAt(shot.start_ms);
    const made = moment(
      shot.start_ms,
      { class: 'card', evidence: frame?.evidence || shot.evidence, 'aria-label': `Shot ${shot.index + 1} at ${clock(shot.start_ms)}` },
      picture ? make('img', { src: source(picture), alt: '', loading: 'lazy', decoding: 'async' }) : make('span', { class: 'blank' }),
      make('span', { class: 'under' }, make('span', { class: 'num' }, clock(shot.start_ms)), make('span', { class: 'faint num' }, spanLength(shot.end_ms - shot.start_ms))),
    );
    cards.set(shot.index, made);
    return made;
  }

  function scene(item) {
    const head = make('h3', {}, `Scene ${item.index + 1}`, make('span', { class: 'faint num' }, `${clock(item.start_ms)}–${clock(item.end_ms)} · ${counted(item.shots.length, 'shot')}`));
    return make('div', { class: 'scene' }, head, make('div', { class: 'cards' }, item.shots.map((i) => card(FOUND.shots[i]))));
  }

  function more(scenes) {
    const button = make('button', { type: 'button', class: 'more' }, `Show ${counted(scenes.length, 'more scene')}`);
    button.addEventListener('click', () => {
      button.replaceWith(...scenes.map(scene));
      update(Player.now);
    });
    return button;
  }

  function update(now) {
    const next = shotAt(now);
    if (next === current && cards.get(next)?.classList.contains('on')) return;
    cards.get(current)?.classList.remove('on');
    cards.get(next)?.classList.add('on');
    current = next;
  }

  return {
    start() {
      const all = FOUND.scenes;
      $('frames').hidden = !FOUND.shots.length;
      $('scenes').append(...all.slice(0, AT_FIRST).map(scene));
      if (all.length > AT_FIRST) $('scenes').append(more(all.slice(AT_FIRST)));
      const left = DATA.keyframes.filter((k) => !k).length;
      if (left) $('scenes').prepend(make('p', { class: 'none' }, `To keep this page small, ${left} of ${DATA.keyframes.length} key frames are shown by the nearest stored picture.`));
      hear('time', update);
    },
  };
})();
