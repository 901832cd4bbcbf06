export default component$(()=>null)
