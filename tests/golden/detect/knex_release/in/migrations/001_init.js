exports.up=()=>{}
