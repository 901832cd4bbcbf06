<?php
namespace App\Jobs;
class SendMail implements ShouldQueue {}
