// The player: the video where the browser can play it, and a slide show of stored pictures with the same clock where not.
const Player = (() => {
  const video = $('video');
  const still = $('still');
  const PLAY = 'M4 2.5v11l9.5-5.5z';
  const PAUSE = 'M4 2.5h3v11H4zM9 2.5h3v11H9z';
  const RATES = [1, 1.25, 1.5, 2, 0.5];
  let now = FROM;
  let playing = false;
  let works = false;
  let seen = false;
  let begun = false;
  let poster = null;
  let stamp = 0;
  let rate = 0;
  let captions = false;
  let cues = [];

  function show() {
    const opening = begun ? null : poster;
    const live = works && seen && video.videoWidth > 0 && !opening;
    const picture = live ? null : opening || pictureAt(now);
    still.hidden = !picture;
    if (picture && still.dataset.ms !== String(picture.ms)) {
      still.src = source(picture);
      still.dataset.ms = String(picture.ms);
    }
    const word = $('stageword');
    word.hidden = live || !!picture;
    word.textContent = FOUND.video.picture ? 'No pictures to show' : FOUND.video.sound.length ? 'Sound only' : 'Nothing to show';
    $('caption').hidden = true;
    if (captions && !live) showCaption();
  }

  function showCaption() {
    const i = lastUpTo(cues, now, (c) => c.startTime * 1000);
    const cue = i >= 0 && cues[i].endTime * 1000 > now ? cues[i] : null;
    $('caption').hidden = !cue;
    if (cue) $('caption').textContent = cue.getCueAsHTML().textContent;
  }

  function update() {
    $('now').textContent = clock(now);
    $('scrub').value = String(Math.round(now));
    $('scrub').style.setProperty('--part', `${(100 * (now - FROM)) / SPAN}%`);
    $('scrub').setAttribute('aria-valuetext', clock(now));
    const shot = FOUND.shots[shotAt(now)];
    $('here').textContent = shot ? `Scene ${shot.scene + 1} · Shot ${shot.index + 1}` : '';
    show();
    tell('time', now);
  }

  function mark() {
    $('play').replaceChildren(icon(playing ? PAUSE : PLAY));
    $('play').setAttribute('aria-label', playing ? 'Pause' : 'Play');
  }

  function step(time) {
    if (!playing) return;
    if (works) now = video.currentTime * 1000;
    else now += (time - (stamp || time)) * RATES[rate];
    stamp = time;
    if (now >= TO && !(works && FOUND.asked.whole)) {
      now = TO;
      pause();
    }
    update();
    if (playing) requestAnimationFrame(step);
  }

  function play() {
    if (now >= TO - 50) seek(FROM);
    playing = begun = true;
    stamp = 0;
    if (works) video.play().catch(() => pause());
    mark();
    requestAnimationFrame(step);
  }

  function pause() {
    playing = false;
    if (works) video.pause();
    mark();
  }

  function seek(ms) {
    const before = now;
    now = clamp(ms, FROM, TO);
    begun ||= now !== before;
    if (works) video.currentTime = now / 1000;
    update();
  }

  function unusable() {
    works = false;
    if (playing) pause();
    const name = FOUND.video.title || 'the video';
    const what = DATA.href
      ? `The browser cannot play ${name}: it was moved, or is in a format that the browser does not know.`
      : 'This report does not know where the video is.';
    $('why').textContent = PICTURES.length ? `${what} Stored pictures are shown instead.` : what;
    $('fallback').hidden = false;
    for (const id of ['mute', 'full']) $(id).disabled = true;
    update();
  }

  function usable() {
    works = true;
    const unseen = FOUND.video.picture && !video.videoWidth;
    $('fallback').hidden = !unseen;
    if (unseen) $('why').textContent = 'The browser can play the sound of this video but not its pictures. Stored pictures are shown instead.';
    for (const id of ['mute', 'full']) $(id).disabled = false;
    video.currentTime = now / 1000;
    update();
  }

  function setCaptions(on) {
    captions = on && cues.length > 0;
    $('cc').setAttribute('aria-pressed', String(captions));
    for (const track of video.textTracks) track.mode = captions ? 'showing' : 'hidden';
    update();
  }

  function wireVideo() {
    video.addEventListener('loadedmetadata', usable);
    video.addEventListener('error', unusable);
    for (const event of ['loadeddata', 'seeked']) video.addEventListener(event, () => ((seen = true), show()));
    video.addEventListener('ended', pause);
    video.addEventListener('pause', () => playing && works && !video.ended && pause());
    video.addEventListener('play', () => !playing && play());
    if (Poster.first) video.poster = source(Poster.first);
    Poster.find().then((found) => ((poster = found), show()), () => {}); // A picture that cannot be drawn is none to open with.
    if (DATA.href) video.src = DATA.href;
    else unusable();
  }

  function wireCaptions() {
    cues = DATA.cues.map(([s, e, markup]) => new VTTCue(s / 1000, e / 1000, markup));
    $('cc').hidden = !cues.length;
    if (!cues.length) return;
    const track = video.addTextTrack('captions', 'Captions', FOUND.language?.language || '');
    track.mode = 'hidden';
    for (const cue of cues) track.addCue(cue);
  }

  function wireControls() {
    $('stage').classList.toggle('low', !FOUND.video.picture && !PICTURES.length);
    const { picture } = FOUND.video; // Its place is kept before anything of it is loaded, so that nothing below moves.
    if (picture) $('stage').style.aspectRatio = String(clamp(picture.width / picture.height, 1, 2.4));
    $('scrub').min = String(FROM);
    $('scrub').max = String(TO);
    $('length').textContent = clock(TO);
    $('mute').append(icon('M2 6h3l4-3.5v11L5 10H2zM11 5.2a4 4 0 0 1 0 5.6l.9.9a5.2 5.2 0 0 0 0-7.4z'));
    $('full').append(icon('M2 2h5v1.5H3.5V7H2zM9 2h5v5h-1.5V3.5H9zM2 9h1.5v3.5H7V14H2zM12.5 9H14v5H9v-1.5h3.5z'));
    $('scrub').addEventListener('input', () => seek(Number($('scrub').value)));
    $('play').addEventListener('click', toggle);
    $('stage').addEventListener('click', toggle);
    $('cc').addEventListener('click', () => setCaptions(!captions));
    $('mute').addEventListener('click', () => {
      video.muted = !video.muted;
      $('mute').setAttribute('aria-pressed', String(video.muted));
    });
    $('full').addEventListener('click', () => (document.fullscreenElement ? document.exitFullscreen() : $('stage').requestFullscreen()));
    $('rate').addEventListener('click', () => {
      rate = (rate + 1) % RATES.length;
      video.playbackRate = RATES[rate];
      $('rate').textContent = `${RATES[rate]}×`;
    });
    $('file').addEventListener('change', () => {
      const file = $('file').files[0];
      if (file) video.src = URL.createObjectURL(file);
    });
  }

  const toggle = () => (playing ? pause() : play());
  return {
    seek,
    toggle,
    nudge: (ms) => seek(now + ms),
    captions: () => setCaptions(!captions),
    get now() {
      return now;
    },
    start() {
      wireControls();
      wireCaptions();
      mark();
      wireVideo();
      update();
    },
  };
})();
