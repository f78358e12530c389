// The timeline: canvases over one window of time, with zoom, pan, hover and click-to-seek.
const Timeline = (() => {
  const { ROW, scope, x, when } = Paint;
  const LEAST = Math.min(SPAN, 2000);
  const box = $('lanes');
  let lanes = [];
  let gutter = 0;
  let queued = false;

  function add(lane) {
    const canvas = make('canvas', { class: 'lane-canvas', role: lane.ruler ? 'presentation' : 'img', 'aria-label': described(lane) });
    const label = make('span', { class: 'lane-label' }, lane.label || '');
    $('heads').append(make('div', { class: `lane${lane.ruler ? ' ruler' : ''}`, 'data-lane': lane.label || 'ruler' }, label, canvas));
    lanes.push({ ...lane, canvas });
  }

  function described(lane) {
    if (lane.lost) return `${lane.label}: missing. ${lane.reason}`;
    if (lane.curve) return `${lane.label}: a curve over time`;
    return lane.items ? `${lane.label}: ${counted(lane.items.length, 'item')}` : '';
  }

  function draw() {
    queued = false;
    for (const lane of lanes) Paint.lane(lane);
    $('range').textContent = scope.to - scope.from < SPAN ? `${clock(scope.from)}–${clock(scope.to)}` : '';
    $('thumb').style.left = `${(100 * (scope.from - FROM)) / SPAN}%`;
    $('thumb').style.width = `${(100 * (scope.to - scope.from)) / SPAN}%`;
    $('overview').hidden = scope.to - scope.from >= SPAN;
    $('out').disabled = $('whole').disabled = scope.to - scope.from >= SPAN;
    $('in').disabled = scope.to - scope.from <= LEAST;
    place(Player.now);
  }

  function redraw() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }

  function place(now) {
    const inside = now >= scope.from && now <= scope.to;
    $('playhead').hidden = !inside;
    $('playhead').style.transform = `translateX(${gutter + x(now)}px)`;
  }

  function view(start, span) {
    const size = clamp(span, LEAST, SPAN);
    scope.from = clamp(start, FROM, TO - size);
    scope.to = scope.from + size;
    redraw();
  }

  function zoom(factor, around = Player.now) {
    const centre = around >= scope.from && around <= scope.to ? around : (scope.from + scope.to) / 2;
    view(centre - (centre - scope.from) * factor, (scope.to - scope.from) * factor);
  }

  function reach(ms) {
    if (ms < scope.from || ms > scope.to) view(ms - (scope.to - scope.from) / 2, scope.to - scope.from);
  }

  function measure() {
    const area = lanes[0].canvas.getBoundingClientRect();
    scope.width = Math.max(50, Math.round(area.width));
    gutter = area.left - box.getBoundingClientRect().left;
    redraw();
  }

  function laneAt(event) {
    const element = event.target.closest?.('.lane');
    return lanes.find((l) => l.canvas.parentElement === element);
  }

  function itemAt(lane, ms, y) {
    if (!lane?.items) return null;
    const slack = (2 / scope.width) * (scope.to - scope.from);
    const row = lane.curve ? 0 : Math.floor((y - 2) / ROW);
    const near = lane.items.filter((i) => i.row === row && i.s - slack <= ms && i.e + slack >= ms);
    return near.sort((a, b) => a.e - a.s - (b.e - b.s))[0] || null;
  }

  function facts(lane, item, ms) {
    if (lane?.lost) return [`${lane.label}: missing`, lane.reason];
    if (lane?.gaps?.some(([s, e]) => ms >= s && ms < e)) return [`${lane.label}: not analysed here`, lane.reason];
    if (lane?.curve?.length) {
      const [, value] = lane.curve[Math.max(0, lastUpTo(lane.curve, ms, (p) => p[0]))];
      return [`${value.toFixed(lane.unit === 'LUFS' ? 1 : 2).replace('-', '−')} ${lane.unit}`, item ? 'silence' : ''];
    }
    return item ? [item.name || item.text, [`${clock(item.s)}–${clock(item.e)}`, item.tip, origin(item.ev)].filter(Boolean).join(' · ')] : [];
  }

  function hover(event) {
    const area = lanes[0].canvas.getBoundingClientRect();
    const px = event.clientX - area.left;
    const tip = $('tip');
    if (px < 0 || px > scope.width || event.pointerType === 'touch') return leave();
    const ms = when(px);
    const lane = laneAt(event);
    const item = lane ? itemAt(lane, ms, event.clientY - lane.canvas.getBoundingClientRect().top) : null;
    const [head, more] = facts(lane, item, ms);
    const picture = pictureAt(item && lane.label === 'Shots' && item.row === 1 ? (item.s + item.e) / 2 : ms);
    tip.replaceChildren(
      ...(picture ? [make('img', { src: source(picture), alt: '' })] : []),
      make('div', {}, make('span', { class: 'num faint' }, clock(ms, true)), head ? make('b', {}, head.length > 160 ? `${head.slice(0, 158)}…` : head) : null, more ? make('span', { class: 'faint' }, more) : null),
    );
    tip.hidden = false;
    const [w, h] = [tip.offsetWidth, tip.offsetHeight];
    const above = event.clientY - h - 18;
    tip.style.left = `${clamp(event.clientX - w / 2, 8, innerWidth - w - 8)}px`;
    tip.style.top = `${above > 8 ? above : event.clientY + 22}px`;
    $('cross').hidden = false;
    $('cross').style.transform = `translateX(${gutter + px}px)`;
  }

  function leave() {
    $('tip').hidden = true;
    $('cross').hidden = true;
  }

  function wireDrag() {
    let grip = null;
    box.addEventListener('pointerdown', (event) => {
      const px = event.clientX - lanes[0].canvas.getBoundingClientRect().left;
      if (event.button || px < 0) return;
      const lane = laneAt(event);
      const scrub = !lane || lane.ruler || lane.film;
      grip = { x: event.clientX, from: scope.from, moved: false, scrub };
      if (scrub) Player.seek(when(px));
      box.setPointerCapture(event.pointerId);
    });
    box.addEventListener('pointermove', (event) => {
      hover(event);
      if (!grip) return;
      const px = event.clientX - lanes[0].canvas.getBoundingClientRect().left;
      if (grip.scrub) return Player.seek(when(clamp(px, 0, scope.width)));
      if (Math.abs(event.clientX - grip.x) > 4) grip.moved = true;
      if (grip.moved && scope.to - scope.from < SPAN) view(grip.from - ((event.clientX - grip.x) / scope.width) * (scope.to - scope.from), scope.to - scope.from);
    });
    box.addEventListener('pointerup', (event) => {
      const px = event.clientX - lanes[0].canvas.getBoundingClientRect().left;
      if (grip && !grip.scrub && !grip.moved) Player.seek(when(clamp(px, 0, scope.width)));
      grip = null;
    });
    box.addEventListener('pointercancel', () => (grip = null));
    box.addEventListener('pointerleave', leave);
  }

  function wireWheel() {
    box.addEventListener(
      'wheel',
      (event) => {
        const ms = when(event.clientX - lanes[0].canvas.getBoundingClientRect().left);
        const onRuler = laneAt(event)?.ruler || laneAt(event)?.film;
        if (event.ctrlKey || event.metaKey || (onRuler && event.deltaY)) zoom(Math.exp(clamp(event.deltaY, -120, 120) / 300), ms);
        else if (event.deltaX || event.shiftKey) view(scope.from + ((event.deltaX || event.deltaY) / scope.width) * (scope.to - scope.from), scope.to - scope.from);
        else return;
        event.preventDefault();
      },
      { passive: false },
    );
  }

  function wireOverview() {
    const move = (event) => {
      if (!event.buttons) return;
      const area = $('overview').getBoundingClientRect();
      view(FROM + ((event.clientX - area.left) / area.width) * SPAN - (scope.to - scope.from) / 2, scope.to - scope.from);
    };
    $('overview').addEventListener('pointerdown', (event) => ($('overview').setPointerCapture(event.pointerId), move(event)));
    $('overview').addEventListener('pointermove', move);
  }

  return {
    zoom,
    whole: () => view(FROM, SPAN),
    repaint(atOnce) {
      Paint.forgetColours();
      if (atOnce) draw();
      else redraw();
    },
    start() {
      Paint.start(box);
      add({ ruler: true });
      if (PICTURES.length) add({ film: true, label: 'Frames' });
      Lanes().forEach(add);
      Paint.loadFilm(redraw);
      new ResizeObserver(measure).observe(box);
      wireDrag();
      wireWheel();
      wireOverview();
      $('in').addEventListener('click', () => zoom(0.5));
      $('out').addEventListener('click', () => zoom(2));
      $('whole').addEventListener('click', () => view(FROM, SPAN));
      hear('time', place);
      hear('marks', (found) => ((scope.marks = found), redraw()));
      hear('picked', ({ ms, evidence }) => ((scope.picked = evidence), reach(ms), redraw()));
      measure();
    },
  };
})();
