// What the timeline shows: one lane a component, made of bars in rows or of a curve.
const Lanes = (() => {
  const MOST_CURVES = 4;
  const COLOURS = { scene: '--lane-scene', shot: '--lane-shot' };
  const SOUND = { speech: '--lane-speech', music: '--lane-music', noise: '--lane-noise', silence: '--lane-quiet' };
  const bar = (item, text, color, more) => ({ s: item.start_ms, e: item.end_ms, text, color, ev: item.evidence, ...more });

  // Rows by first fit in time order; what finds no free row lies over the row that is free soonest.
  function packed(items, most) {
    const ends = [];
    for (const item of [...items].sort((a, b) => a.s - b.s)) {
      let row = ends.findIndex((end) => end <= item.s);
      if (row < 0) row = ends.length < most ? ends.length : ends.indexOf(Math.min(...ends));
      ends[row] = Math.max(ends[row] || 0, item.e);
      item.row = row;
    }
    return { items, rows: Math.max(1, ends.length) };
  }

  function byLabel(items, label, most) {
    const time = new Map();
    for (const item of items) time.set(label(item), [...(time.get(label(item)) || []), [item.s, item.e]]);
    const order = [...time].map(([name, spans]) => [name, covered(spans)]).sort((a, b) => b[1] - a[1]).map(([name]) => name);
    for (const item of items) item.row = Math.min(order.indexOf(label(item)), most - 1);
    return { items, rows: clamp(order.length, 1, most) };
  }

  function shots() {
    const scenes = FOUND.scenes.map((s) => bar(s, `Scene ${s.index + 1}`, COLOURS.scene, { row: 0, tip: counted(s.shots.length, 'shot') }));
    const each = FOUND.shots.map((s) => bar(s, String(s.index + 1), COLOURS.shot, { row: 1, name: `Shot ${s.index + 1}`, tip: s.kind === 'gradual' ? 'gradual transition' : '', thin: true }));
    return { items: [...scenes, ...each], rows: 2, rhythm: true };
  }

  const speech = () => packed(FOUND.transcript.map((s) => bar(s, s.text, voice(s.speaker), { tip: s.speaker })), 2);
  const whence = (c) => (c.source === 'sidecar' ? `from ${FOUND.captions_from?.file || 'the file beside the video'}` : 'from the video itself');
  const captions = () => packed(FOUND.captions.map((c) => bar(c, c.text, '--lane-captions', { tip: whence(c) })), 2);
  const texts = () => packed(FOUND.texts.map((t) => bar(t, t.text, '--lane-text')), 3);
  const objects = () => byLabel(FOUND.objects.map((o) => bar(o, o.label, '--lane-objects', { tip: `score ${o.score.toFixed(2)}` })), (i) => i.text, 5);
  const faces = () => packed(FOUND.faces.map((f) => bar(f, f.emotion || 'face', '--lane-faces', { tip: `score ${f.score.toFixed(2)}` })), 3);
  const tags = () => byLabel(FOUND.tags.flatMap((t) => t.spans.map(([s, e]) => ({ s, e, text: t.label, color: '--lane-tags', ev: t.evidence }))), (i) => i.text, 4);
  const sounds = () => ({ items: FOUND.sounds.map((s) => bar(s, s.label, SOUND[s.label] || '--lane-noise', { row: 0 })), rows: 1 });
  const marks = () => packed((FOUND.moderation?.spans || []).map((m) => bar(m, m.label, '--lane-marks', { tip: `score ${m.score.toFixed(2)}` })), 2);
  const quality = () => packed(FOUND.quality.map((q) => bar(q, q.kind, '--lane-quality')), 2);
  const loudness = () => ({ curve: DATA.loudness, low: -60, high: 0, color: '--lane-loud', unit: 'LUFS', items: (FOUND.loudness?.silence || []).map(([s, e]) => ({ s, e, text: 'silence', row: 0, color: '--lane-quiet', quiet: true, ev: FOUND.loudness.evidence })) });
  const motion = () => ({ curve: DATA.motion, low: 0, high: Math.max(1e-6, ...DATA.motion.map((p) => p[1])), color: '--lane-motion', unit: 'motion', items: [] });

  // Of a component that somebody added: a lane for what has spans or moments, and one for each of its series.
  function added(component) {
    const { items = [], series = [] } = OTHERS.get(component) || {};
    const name = upper(component.replaceAll('_', ' '));
    const bars = () => packed(items.map((i) => bar(i, i.text || factsOf(i.facts), '--lane-other', { name: i.text || name, tip: i.text ? factsOf(i.facts) : '' })), 3);
    const title = (s) => (series.length > 1 || items.length ? upper(s.name.replaceAll('_', ' ')) : name);
    const lines = series.map((s, i) => [title(s), component, () => curve(DATA.curves[component][i], s)]);
    const curves = lines.filter((_, i) => series[i].points > 1).slice(0, MOST_CURVES);
    return [...(items.length || !series.length ? [[name, component, bars]] : []), ...curves];
  }

  // From 0 where that leaves more than half of the height to what changes.
  const curve = (points, { name, least, most }) => ({ curve: points, low: least >= 0 && least < most / 2 ? 0 : least, high: Math.max(most, least + 1e-6), color: '--lane-other', unit: name.replaceAll('_', ' '), items: [] });

  const ALL = [
    ['Shots', 'shots', shots], ['Speech', 'speech', speech], ['Captions', 'captions', captions], ['Text', 'ocr', texts], ['Objects', 'objects', objects], ['Faces', 'faces', faces],
    ['Tags', 'tags', tags], ['Sounds', 'sounds', sounds], ['Loudness', 'loudness', loudness], ['Motion', 'shots', motion],
    ['Moderation', 'moderation', marks], ['Quality', 'quality', quality],
  ];

  function lane([label, component, build]) {
    const lost = LOST.get(component);
    if (!COMPONENTS.has(component) || lost?.why === 'no_stream') return null;
    if (component === 'captions' && !lost && !FOUND.captions.length) return null; // Most files have none.
    const body = build();
    const whole = lost && lost.why !== 'gaps' && !body.items.length && !(body.curve || []).length;
    const gaps = lost?.why === 'gaps' ? lost.gaps : [];
    return { label, component, rows: 1, ...body, gaps, lost: whole ? lost : null, reason: lost?.why === 'blocked' ? 'what it is made of could not be made' : lost?.reason };
  }

  return () => [...ALL, ...DATA.added.flatMap(added)].map(lane).filter(Boolean);
})();
