// What the map needs of three.js 0.187.0; `make three` bundles it into three.js.
export {
  BufferAttribute,
  BufferGeometry,
  Mesh,
  MeshBasicMaterial,
  MOUSE,
  OrthographicCamera,
  Points,
  Scene,
  ShaderMaterial,
  SphereGeometry,
  Vector3,
  WebGLRenderer,
} from "three";
export { OrbitControls } from "three/addons/controls/OrbitControls.js";
