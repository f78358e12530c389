// The transcript: every word seeks, the current one is marked, and the panel follows while nobody scrolls it.
const Transcript = (() => {
  const FEW = 15;
  const panel = $('transcript');
  const words = [];
  const elements = [];
  let current = -1;
  let reached = -1;
  let touched = -Infinity;

  function blocks() {
    const made = [];
    for (const segment of FOUND.transcript) {
      const last = made[made.length - 1];
      const joins = last && last.speaker === segment.speaker && segment.start_ms - last.end < 4000 && last.segments.length < (segment.speaker ? 6 : 3);
      if (joins) last.segments.push(segment);
      else made.push({ speaker: segment.speaker, segments: [segment] });
      made[made.length - 1].end = segment.end_ms;
    }
    return made;
  }

  function sentence(segment) {
    const text = make('span', { class: 'said', lang: segment.language });
    for (const [start, end, word, space, speaker] of segment.words) {
      if (space && text.childNodes.length) text.append(' ');
      const strange = speaker && speaker !== segment.speaker;
      const element = make('span', { class: 'w', 'data-w': words.length, css: strange ? { color: `var(${voice(speaker)})` } : {} }, word);
      words.push([start, end]);
      elements.push(element);
      text.append(element);
    }
    if (!segment.words.length) text.append(segment.text);
    return text;
  }

  function block({ speaker, segments }) {
    const first = segments[0];
    return make(
      'div',
      { class: 'turn', css: { '--c': `var(${voice(speaker)})` } },
      moment(first.start_ms, { class: 't', evidence: first.evidence }, clock(first.start_ms)),
      make('p', {}, speaker ? make('b', { class: 'who' }, speaker) : null, segments.map((s) => [sentence(s), ' ']).flat()),
    );
  }

  function nothing() {
    const lost = LOST.get('speech');
    const missing = lost && (lost.why === 'no_stream' ? [lost.reason] : ['Speech is missing: ', make('a', { href: '#missing' }, 'why'), '.']);
    const why = missing || [COMPONENTS.has('speech') ? 'No speech was found.' : 'This run was not asked to transcribe speech.'];
    $('read').classList.add('short');
    panel.append(make('p', { class: 'none' }, ...why));
    for (const line of FOUND.captions) {
      panel.append(make('div', { class: 'turn' }, moment(line.start_ms, { class: 't', evidence: line.evidence }, clock(line.start_ms)), make('p', {}, line.text)));
    }
  }

  // Far away the heights between are estimates until they are drawn, so the way is corrected a few times.
  function follow(element, tries = 5) {
    if (!tries || performance.now() - touched < 4000 || !panel.offsetParent) return;
    const box = panel.getBoundingClientRect();
    const at = element.getBoundingClientRect();
    if (at.top > box.top + 30 && at.bottom < box.bottom - 60) return;
    const way = at.top - box.top - box.height * 0.3;
    const far = Math.abs(way) > 2 * box.height;
    const before = panel.scrollTop;
    panel.scrollBy({ top: way, behavior: far || calm.matches ? 'instant' : 'smooth' });
    if (far || panel.scrollTop !== before) requestAnimationFrame(() => follow(element, tries - 1));
  }

  function update(now) {
    const i = lastUpTo(words, now, (w) => w[0]);
    if (i !== reached && i >= 0) follow(elements[i]);
    reached = i;
    const next = i >= 0 && now < words[i][1] + 250 ? i : -1;
    if (next === current) return;
    elements[current]?.classList.remove('on');
    elements[next]?.classList.add('on');
    current = next;
  }

  return {
    start() {
      for (const made of blocks()) panel.append(block(made));
      panel.classList.toggle('few', panel.childElementCount <= FEW); // Their height is known from the beginning: it is the panel's.
      if (!FOUND.transcript.length) nothing();
      const gaps = LOST.get('speech')?.gaps || [];
      if (gaps.length) panel.prepend(make('p', { class: 'none' }, `Not transcribed: ${gaps.map(([s, e]) => `${clock(s)}–${clock(e)}`).join(', ')}.`));
      panel.addEventListener('click', (event) => {
        const word = event.target.closest('.w');
        if (word && !String(getSelection())) goTo(words[Number(word.dataset.w)][0]);
      });
      for (const event of ['wheel', 'touchmove', 'pointerdown']) panel.addEventListener(event, () => (touched = performance.now()), { passive: true });
      hear('time', update);
    },
  };
})();
