module.exports=()=>{}
