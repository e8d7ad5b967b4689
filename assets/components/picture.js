// Points in space drawn by WebGL, and the camera that looks at them.

import * as three from "./three.js";
import { hex } from "./data.js";
import { mark } from "./marks.js";

const DURATION = 600; // milliseconds of a transition between two maps
const NEAR = 5; // radii around the centre that a map in space begins with
const BALL = new three.SphereGeometry(1, 48, 32);
const UNCHOSEN = [140, 145, 150];

/** `stage` holds the canvases `drawing` and `marks`; subclasses set `data` and `view`. */
export class Picture {
  constructor(stage) {
    this.stage = stage;
    this.drawing = stage.querySelector("canvas.points");
    this.marks = stage.querySelector("canvas.marks");
    this.size = 0;
    this.turnable = true; // whether dragging moves the camera
    new ResizeObserver(() => this.resize()).observe(stage);
  }

  prepare() {
    this.renderer = new three.WebGLRenderer({ canvas: this.drawing, alpha: true, antialias: true });
    this.scene = new three.Scene();
    this.camera = new three.OrthographicCamera(-1, 1, 1, -1, -1000, 1000);
    this.controls = new three.OrbitControls(this.camera, this.marks);
    this.controls.addEventListener("change", () => this.draw());
    this.controls.enableZoom = false; // the wheel scrolls the page until the map has the focus
    this.marks.onfocus = () => (this.controls.enableZoom = true);
    this.marks.onblur = () => (this.controls.enableZoom = false);
    this.material = new three.ShaderMaterial({
      transparent: true,
      depthTest: false,
      uniforms: { passed: { value: 1 }, size: { value: 5 }, depth: { value: 0 } },
      vertexShader: `
        attribute vec3 origin; attribute vec3 colour; attribute float strength;
        uniform float passed, size, depth;
        varying vec4 shade;
        void main() {
          vec4 place = modelViewMatrix * vec4(mix(origin, position, passed), 1.0);
          gl_Position = projectionMatrix * place;
          gl_PointSize = size * (strength > 0.5 ? 1.15 : 1.0);
          float behind = depth * clamp(0.5 - place.z, 0.0, 1.0);
          shade = vec4(colour, mix(0.25, 0.7, strength) * (1.0 - 0.6 * behind));
        }`,
      fragmentShader: `
        varying vec4 shade;
        void main() {
          vec2 offset = gl_PointCoord - 0.5;
          if (dot(offset, offset) > 0.25) discard;
          gl_FragColor = shade;
        }`,
    });
    this.resize();
  }

  /** Give the points their places on a map; where the points are the same, they travel there. */
  settle(coordinates, travels, data) {
    const [count, width] = coordinates.shape;
    const places = new Float32Array(3 * count);
    for (let i = 0; i < count; i++) {
      const [x, y] = data.dials ? data.dials[this.view.nearest[i]] : [0, 0];
      places[3 * i] = coordinates[width * i] + x;
      places[3 * i + 1] = coordinates[width * i + 1] + y;
      places[3 * i + 2] = width === 3 ? coordinates[width * i + 2] : 0;
    }
    const seen = travels && { places: this.places, reach: this.reach, middle: this.middle };
    this.places = places;
    this.size = count;
    if (!(seen && data.steady)) this.fit(data.kind === "sphere" ? NEAR : undefined);
    if (this.points) {
      this.scene.remove(this.points);
      this.points.geometry.dispose();
    }
    const geometry = new three.BufferGeometry();
    geometry.setAttribute("position", new three.BufferAttribute(places, 3));
    const origin = !seen ? places : data.steady ? seen.places : this.from(seen);
    geometry.setAttribute("origin", new three.BufferAttribute(origin, 3));
    geometry.setAttribute("colour", new three.BufferAttribute(new Uint8Array(3 * count), 3, true));
    geometry.setAttribute("strength", new three.BufferAttribute(new Float32Array(count).fill(1), 1));
    this.points = new three.Points(geometry, this.material);
    this.points.frustumCulled = false;
    this.scene.add(this.points);
    this.material.uniforms.size.value = devicePixelRatio * (count > 20000 ? 3.5 : 5.5);
    this.material.uniforms.depth.value = data.kind === "sphere" ? 1 : 0;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.travel(seen && !calm ? performance.now() : null);
  }

  /** Places on the map before, in the units of this one: a transition begins where the eye is. */
  from({ places, reach, middle }) {
    const origin = new Float32Array(places.length);
    for (let i = 0; i < places.length; i++) {
      origin[i] = ((places[i] - middle[i % 3]) * this.reach) / reach + this.middle[i % 3];
    }
    return origin;
  }

  travel(start) {
    const passed = this.material.uniforms.passed;
    if (start === null) {
      passed.value = 1;
      this.draw();
      return;
    }
    passed.value = Math.min(1, (performance.now() - start) / DURATION);
    this.draw();
    if (passed.value < 1) requestAnimationFrame(() => this.travel(start));
  }

  /** Paint every point by its group or its score. */
  colour() {
    const { colours } = this.data;
    const attribute = this.points.geometry.attributes.colour;
    const paint = attribute.array;
    if (colours.ramp) {
      const ramp = colours.ramp.map(hex);
      const [low, high] = colours.range;
      for (let i = 0; i < this.size; i++) {
        const share = Math.max(0, Math.min(1, (this.view.scores[i] - low) / (high - low || 1)));
        paint.set(ramp[Math.round(Math.sqrt(share) * (ramp.length - 1))], 3 * i);
      }
    } else {
      const groups = colours.groups.map((group) => hex(group.colour));
      const which = this.view.is_anomaly;
      for (let i = 0; i < this.size; i++) paint.set(groups[which ? which[i] : 0], 3 * i);
    }
    this.own = paint.slice();
    attribute.needsUpdate = true;
  }

  /** Show the chosen points (0 or 1 each) in colour and the others grey; all when none is chosen. */
  highlight(chosen) {
    const total = chosen.reduce((sum, bit) => sum + bit, 0);
    const { colour, strength } = this.points.geometry.attributes;
    colour.array.set(this.own);
    for (let i = 0; i < this.size; i++) {
      strength.array[i] = total === 0 || chosen[i] ? 1 : 0;
      if (total && !chosen[i]) colour.array.set(UNCHOSEN, 3 * i);
    }
    colour.needsUpdate = strength.needsUpdate = true;
    this.draw();
    return total;
  }

  /** The translucent hyperspheres of a map in space. */
  surroundings() {
    const { data } = this;
    this.balls?.forEach((ball) => this.scene.remove(ball));
    this.balls = (data.kind === "sphere" ? data.dials || [[0, 0]] : []).map(([x, y], k) => {
      const about = { color: data.colours.sphere, transparent: true, opacity: 0.18 };
      const material = new three.MeshBasicMaterial({ ...about, depthWrite: false });
      const ball = new three.Mesh(BALL, material);
      ball.position.set(x, y, 0);
      ball.scale.setScalar(data.radii[k] || 1e-6);
      this.scene.add(ball);
      return ball;
    });
  }

  /** What the mouse does: it moves the camera unless the left button draws. */
  steer() {
    const turns = this.data?.kind === "sphere";
    this.controls.enableRotate = turns;
    const left = !this.turnable ? null : turns ? three.MOUSE.ROTATE : three.MOUSE.PAN;
    this.controls.mouseButtons = { LEFT: left, MIDDLE: three.MOUSE.DOLLY, RIGHT: three.MOUSE.PAN };
  }

  /** Look at everything, or at `reach` units around the middle of the map. */
  fit(reach) {
    if (!this.places) return;
    const low = [Infinity, Infinity, Infinity];
    const high = [-Infinity, -Infinity, -Infinity];
    this.widest = 0;
    for (let i = 0; i < this.places.length; i += 3) {
      for (let axis = 0; axis < 3; axis++) {
        low[axis] = Math.min(low[axis], this.places[i + axis]);
        high[axis] = Math.max(high[axis], this.places[i + axis]);
      }
      const [x, y, z] = this.places.subarray(i, i + 3);
      this.widest = Math.max(this.widest, Math.hypot(x, y, z));
    }
    const turns = this.data.kind === "sphere";
    const whole = turns ? this.widest : Math.max(...[0, 1].map((a) => (high[a] - low[a]) / 2));
    const near = reach || turns;
    const middle = near ? [0, 0, 0] : [...[0, 1].map((a) => (low[a] + high[a]) / 2), 0];
    this.look({ reach: reach || 1.08 * whole || 1, middle });
  }

  /** Point the camera at a place, with `reach` units to the nearer edge. */
  look({ reach, middle }) {
    Object.assign(this, { reach, middle });
    this.controls.target.set(...middle);
    const [x, y] = middle;
    this.camera.position.set(...(this.data.kind === "sphere" ? [x + 4, y + 3, 9] : [x, y, 10]));
    this.camera.up.set(0, 1, 0);
    this.camera.zoom = 1;
    this.resize();
    this.steer();
    this.controls.update();
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!this.renderer || !width || !height) return;
    this.renderer.setPixelRatio(devicePixelRatio);
    this.renderer.setSize(width, height, false);
    this.marks.width = width * devicePixelRatio;
    this.marks.height = height * devicePixelRatio;
    const reach = this.reach || 1;
    const [wide, tall] = width > height ? [width / height, 1] : [1, height / width];
    Object.assign(this.camera, { left: -reach * wide, right: reach * wide });
    Object.assign(this.camera, { top: reach * tall, bottom: -reach * tall });
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  /** Draw everything anew, soon. */
  draw() {
    this.onScreen = null;
    this.stale = true;
    this.redraw();
  }

  /** Draw the marks anew, soon; the points only when they are stale. */
  redraw() {
    if (!this.pending) this.pending = requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.pending = null;
    if (!this.points) return;
    if (this.stale) this.renderer.render(this.scene, this.camera);
    this.stale = false;
    mark(this);
  }

  /** Places in CSS pixels, two numbers a point; kept until something moves. */
  screen() {
    if (this.onScreen) return this.onScreen;
    const { clientWidth: width, clientHeight: height } = this.stage;
    this.camera.updateMatrixWorld();
    const matrix = this.camera.projectionMatrix.clone().multiply(this.camera.matrixWorldInverse);
    const m = matrix.elements;
    const places = this.places;
    const result = new Float32Array(2 * this.size);
    for (let i = 0, j = 0; j < places.length; i += 2, j += 3) {
      const [x, y, z] = [places[j], places[j + 1], places[j + 2]];
      result[i] = (1 + m[0] * x + m[4] * y + m[8] * z + m[12]) * 0.5 * width;
      result[i + 1] = (1 - (m[1] * x + m[5] * y + m[9] * z + m[13])) * 0.5 * height;
    }
    this.onScreen = result;
    return result;
  }

  /** Move the camera to a point that is out of sight. */
  reveal(row) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const [x, y] = this.screen().subarray(2 * row, 2 * row + 2);
    if (x >= 0 && x <= width && y >= 0 && y <= height) return;
    const place = new three.Vector3(...this.places.subarray(3 * row, 3 * row + 3));
    this.camera.position.add(place.clone().sub(this.controls.target));
    this.controls.target.copy(place);
    this.controls.update();
    this.draw();
  }

  /** CSS pixels of a place on the map. */
  point(x, y, z = 0) {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const place = new three.Vector3(x, y, z).project(this.camera);
    return [(1 + place.x) * 0.5 * width, (1 - place.y) * 0.5 * height];
  }
}
