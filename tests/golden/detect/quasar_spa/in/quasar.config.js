module.exports=function(){return{}}
