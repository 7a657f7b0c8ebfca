<%@ include file="/WEB-INF/page.jspf" %>
<p>Names, as the other applications read them: <a href="names.jsp">names.jsp</a>
