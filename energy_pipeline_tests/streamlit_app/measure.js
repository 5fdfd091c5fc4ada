// Every piece of visible text of the sheet: the box of its ink, its colour on its ground, its size.
() => {
  const pen = document.createElement('canvas').getContext('2d');
  const sheet = document.querySelector('.fridge .sheet');
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [];
  const walker = document.createTreeWalker(sheet, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement, text = node.data;
    if (!text.trim() || element.closest('.lost')) continue;
    const style = getComputedStyle(element);
    pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const range = document.createRange();
    range.selectNodeContents(node);
    // An ellipsis splits a line into two boxes: taken together again.
    const lines = new Map();
    for (const part of range.getClientRects()) {
      const line = lines.get(part.top) ?? { top: part.top, left: Infinity, right: -Infinity };
      line.left = Math.min(line.left, part.left);
      line.right = Math.max(line.right, part.right);
      lines.set(part.top, line);
    }
    for (const line of lines.values()) {
      const ink = pen.measureText(text);
      const baseline = line.top + ink.fontBoundingBoxAscent;
      let box = {
        left: line.left, right: line.right,
        top: baseline - ink.actualBoundingBoxAscent, bottom: baseline + ink.actualBoundingBoxDescent,
      };
      for (let at = element; at && at !== sheet.parentElement; at = at.parentElement) {
        if (getComputedStyle(at).overflow !== 'hidden') continue;
        const clip = at.getBoundingClientRect();
        box = {
          left: Math.max(box.left, clip.left), right: Math.min(box.right, clip.right),
          top: Math.max(box.top, clip.top), bottom: Math.min(box.bottom, clip.bottom),
        };
      }
      if (box.right - box.left < 1 || box.bottom - box.top < 1) continue;
      texts.push({
        text: text.trim(), ...box, size: parseFloat(style.fontSize), colour: style.color,
        ground: ground(element), block: element.closest('p, span, div').className,
      });
    }
  }
  const number = sheet.querySelector('.number');
  const style = getComputedStyle(number);
  pen.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  const bars = [...sheet.querySelectorAll('.strip .bar')].map((bar) => {
    const box = bar.getBoundingClientRect();
    return { left: box.left, width: box.width, top: box.top, height: box.height,
             level: bar.classList[1], colour: getComputedStyle(bar).backgroundColor };
  });
  const root = document.documentElement;
  const main = document.querySelector('[data-testid="stMain"]');
  const link = sheet.querySelector('a.switch');
  return {
    texts, bars,
    number: number.textContent,
    digit_height: pen.measureText('0').actualBoundingBoxAscent,
    number_box: number.getBoundingClientRect().toJSON(),
    shape: sheet.querySelector('.word .shape')?.classList[1] ?? null,
    inverse: Boolean(sheet.querySelector('.word.inverse')),
    all: sheet.innerText,
    scrolls: [root.scrollWidth > root.clientWidth, root.scrollHeight > root.clientHeight,
              main.scrollHeight > main.clientHeight && getComputedStyle(main).overflowY !== 'hidden'],
    link: link ? link.getBoundingClientRect().toJSON() : null,
    unnamed: [...sheet.querySelectorAll('[role="img"]')].filter(
      (e) => !e.getAttribute('aria-label')).length,
    injected: sheet.querySelectorAll('script, img').length,
    title: document.title,
    language: root.lang,
  };
}
