from itertools import count

from django.http import HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import reverse

QUESTION = 'Tea or coffee?'
votes = {'Tea': 3, 'Coffee': 4, 'Water': 1}
visits = count(1)


def index(request):
    total = sum(votes.values())
    choices = [{'name': name, 'votes': number, 'share': round(100 * number / total)}
               for name, number in votes.items()]
    return render(request, 'polls/index.html', {'title': 'Hello from Django', 'question': QUESTION,
                                                'choices': choices, 'visit': next(visits)})


def vote(request):
    choice = request.POST.get('choice')
    if choice in votes:
        votes[choice] += 1
    return HttpResponseRedirect(reverse('index'))


def health(request):
    return JsonResponse({'status': 'ok'})
