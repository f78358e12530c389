// Key frames by scene and shot.
const Frames = (() => {
  const AT_FIRST = 120;
  const cards = new Map();
  let current = -1;

  function card(shot) {
    const frame = FOUND.key_frames[shot.index];
    const own = DATA.keyframes[shot.index];
    const picture = own ? { data: own } : pictureAt(shot.start_ms);
    const opens = FOUND.scenes[shot.scene]?.shots[0] === shot.index;
    const label = opens ? `Scene ${shot.scene + 1}` : '\u00a0';
    const made = moment(
      shot.start_ms,
      { class: opens ? 'card opens' : 'card', evidence: frame?.evidence || shot.evidence, 'aria-label': `Scene ${shot.scene + 1}, shot ${shot.index + 1}, at ${clock(shot.start_ms)}` },
      make('span', { class: 'over' }, label),
      picture ? make('img', { src: source(picture), alt: '', loading: 'lazy', decoding: 'async' }) : make('span', { class: 'blank' }),
      make('span', { class: 'under' }, make('span', { class: 'num' }, clock(shot.start_ms)), make('span', { class: 'faint num' }, spanLength(shot.end_ms - shot.start_ms))),
    );
    cards.set(shot.index, made);
    return made;
  }

  function more(grid, shots) {
    const button = make('button', { type: 'button', class: 'more' }, `Show ${counted(shots.length, 'more shot')}`);
    button.addEventListener('click', () => {
      grid.append(...shots.map(card));
      button.remove();
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
      const all = FOUND.shots;
      $('frames').hidden = !all.length;
      const grid = make('div', { class: 'cards' }, all.slice(0, AT_FIRST).map(card));
      $('scenes').append(grid);
      if (all.length > AT_FIRST) $('scenes').append(more(grid, all.slice(AT_FIRST)));
      const left = DATA.keyframes.filter((k) => !k).length;
      if (left) $('scenes').prepend(make('p', { class: 'none' }, `To keep this page small, ${left} of ${DATA.keyframes.length} key frames ${left === 1 ? 'is' : 'are'} shown by the nearest stored picture.`));
      hear('time', update);
    },
  };
})();
